"""What can be trained on is counted on the Data page and on the Train page alike, and only where nothing can be, nothing is started."""

from playwright.sync_api import expect

WHY = "why " * 600


def upload(page, server, path):
    page.goto(f"{server.address}/data")
    page.wait_for_selector("#dataset-upload input[type=file]", state="attached")
    page.set_input_files("#dataset-upload input[type=file]", path)


def test_data_and_train_page_say_the_same_of_a_file_with_rows_that_are_too_long(page, server, tmp_path):
    path = tmp_path / "mixed.csv"
    rows = [*(f"What is {n}?,It is {n}." for n in range(11)), "Dear <b>{{name}}</b>,Hello.", *(f"{n} {WHY},Because." for n in range(30))]
    path.write_text("\n".join(["prompt,answer", *rows]))
    sentence = "Of 42 rows, 12 can be trained on with starter; 30 are left out: the prompt alone fills all 512 tokens."
    upload(page, server, path)
    expect(page.locator("#dataset-check .rs-notice")).to_have_text(sentence)
    finding = page.locator("#dataset-check [data-finding=placeholders]")
    finding.locator("summary").click()
    expect(finding.locator("li")).to_have_text("Line 13: Dear <b>{{name}}</b> → Hello.")
    expect(page.locator("#dataset-found")).not_to_contain_text("can be used")
    split = page.locator("#dataset-check .rs-facts").inner_text()
    page.locator("#dataset-save").click()
    page.wait_for_url("**/train")
    expect(page.locator("#train-summary .rs-check .rs-notice")).to_have_text(sentence)
    expect(page.locator("#train-summary .rs-facts")).to_have_text(split)
    expect(page.locator("#train-summary dd").first).to_have_text(split.split()[0])
    expect(page.locator("#train-start")).to_be_enabled()


def test_where_no_row_fits_the_start_is_blocked_until_one_does(page, server, tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["prompt,answer", *(f"{n} {WHY},Because." for n in range(5))]))
    upload(page, server, path)
    expect(page.locator("#dataset-check .rs-notice.bad")).to_contain_text("Of 5 rows, none can be trained on with starter")
    page.locator("#dataset-save").click()
    page.wait_for_url("**/train")
    expect(page.locator("#train-start")).to_be_disabled()
    page.get_by_role("button", name="Advanced").click()
    page.locator("#train-max_length input, #train-max-length input").first.fill("900")
    expect(page.locator("#train-start")).to_be_enabled()


def test_the_data_page_says_for_which_base_model_rows_were_counted(page, server, tmp_path):
    path = tmp_path / "short.csv"
    path.write_text("\n".join(["prompt,answer", *(f"What is {n}?,It is {n}." for n in range(12))]))
    upload(page, server, path)
    expect(page.locator("#dataset-check .rs-notice.good")).to_have_text("All 12 rows can be trained on with starter.")
    page.locator("#dataset-base input").fill("nobody/nothing")
    page.locator("#dataset-base input").press("Enter")
    expect(page.locator("#dataset-check .rs-notice.soft")).to_contain_text("counted when a run with it starts")
