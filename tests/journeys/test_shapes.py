"""Preferences, labels and marked answers from a file to a finished run; plain text, and what chats hold beside their text, as learned."""

import json
import re

from playwright.sync_api import expect

from tests.journeys.test_data import opened, table
from tests.journeys.test_journey import start_run, wait_for_end

ANIMALS = ("cat", "dog", "bird", "fish", "tree", "rain")


def learned(page):
    """The learned tokens of the first row as one text."""
    first = page.locator("#dataset-preview .rs-row").first
    expect(first.locator(".tok.learned").first).to_be_visible()
    return "".join(first.locator(".tok.learned").all_inner_texts())


def brought(page, server, rows, name):
    """Drop rows as JSON Lines, with what the page then says of them."""
    opened(page, server, "".join(json.dumps(row) + "\n" for row in rows), name=name)
    expect(page.locator("#dataset-check .rs-notice").first).to_contain_text("can be trained on with starter")
    return page.locator("#dataset-found").inner_text()


def trained(page):
    """Keep what is shown and train on it once through, to the end."""
    page.click("#dataset-save")
    start_run(page, 1)
    wait_for_end(page)


def test_preferences_labels_and_marked_answers_are_kept_and_trained(page, server):
    pairs = [{"prompt": f"What does the {each} say?", "chosen": f"The {each} hums.", "rejected": "No idea"} for each in ANIMALS]
    assert "Recognised as preference pairs" in brought(page, server, pairs, "pairs.jsonl")
    assert "The cat hums." in learned(page) and "No idea" not in learned(page)
    trained(page)

    opened(
        page, server, table([("text", "label"), *((f"The {each} is here.", "no" if n % 2 else "yes") for n, each in enumerate(ANIMALS))])
    )
    expect(page.locator("#dataset-found")).to_contain_text("Recognised as texts with labels")
    assert learned(page).startswith("yes")
    trained(page)

    marked = [{"prompt": f"Where is the {each}?", "completion": f"Here, {each}.", "label": n != 1} for n, each in enumerate(ANIMALS)]
    said = brought(page, server, marked, "marked.jsonl")
    assert "Recognised as answers marked as good or bad" in said and "1 row is marked as a bad answer and left out." in said
    expect(page.locator("#dataset-report")).to_contain_text("1 row is marked as bad and left out.")
    expect(page.locator("#dataset-save")).to_have_text("Keep 5 rows")
    assert "Here, cat." in learned(page) and "Here, dog" not in page.locator("#dataset-preview").inner_text()
    trained(page)


def test_of_plain_text_all_but_its_first_tokens_is_learned(page, server):
    text = " ".join(f"The {each} is not here today." for each in ANIMALS)
    said = brought(page, server, [{"text": text}, {"text": text.upper()}], "plain.jsonl")
    assert "Recognised as plain text to continue" in said and "Of each text the first tokens are the prompt" in said
    page.click("#dataset-save")
    page.wait_for_url("**/train")
    expect(page.locator("#train-dataset input")).to_have_value(re.compile("^plain"))
    page.goto(f"{server.address}/data")
    page.locator("#dataset-kept").get_by_role("link", name="plain", exact=True).first.click()
    first = page.locator("#kept-learned .rs-row").first
    expect(first.locator(".tok.learned").first).to_be_visible()
    tokens = first.locator(".tok")
    texts, kinds = tokens.all_inner_texts(), tokens.evaluate_all("all => all.map(each => each.classList.contains('learned'))")
    begin, end = texts.index("⏎") + 1, texts.index("<|im_end|>")  # the starter's template makes a message of the user of them
    assert end - begin == 16 and not any(kinds[:end]) and kinds[kinds.index(True) :] == [True] * sum(kinds)
    rest = "".join(each for each, is_learned in zip(texts, kinds, strict=True) if is_learned)
    assert "".join(texts[begin:end]) + rest.removesuffix("<|im_end|>") == text


def test_what_a_chat_holds_beside_its_text_is_learned_by_a_button_and_left_out_by_the_same(page, server):
    call = {"function": {"name": "look", "arguments": '{"at": "sky"}'}}
    turns = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "It rains.", "reasoning": "wet", "tool_calls": [call]},
    ]
    said = brought(page, server, [{"messages": turns}] * 2, "chats.jsonl")
    assert "Left out of chats: reasoning (2)." in said and "Left out of chats: tool calls (2)." in said
    found = page.locator("#dataset-found")
    reasoning = found.locator("[data-include=reasoning]")
    expect(reasoning).to_have_text("Learn it too")
    reasoning.focus()
    page.keyboard.press("Enter")
    expect(found).to_contain_text("Learned with chats: reasoning (2).")
    expect(reasoning).to_have_text("Leave it out")
    expect(page.locator("#dataset-preview")).to_contain_text("</think>")
    found.locator("[data-include=tool_calls]").click()
    expect(page.locator("#dataset-preview")).to_contain_text('{"name": "look", "arguments": {"at": "sky"}}')
    reasoning.click()
    expect(found).to_contain_text("Left out of chats: reasoning (2).")
    expect(page.locator("#dataset-preview")).not_to_contain_text("</think>")
    assert "<tool_call>" in learned(page)
    page.click("#dataset-save")
    page.wait_for_url("**/train")
    page.goto(f"{server.address}/data")
    page.locator("#dataset-kept").get_by_role("link", name="chats", exact=True).first.click()
    expect(page.locator("#kept-learned .rs-row").first).to_contain_text("<tool_call>")
