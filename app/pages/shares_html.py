"""HTML of the page on which a person shares something: how long, with whom, and the links in force."""

from app.components import html, plain
from app.components.theme import STATIC
from app.handlers.shares import Sharing
from app.pages.shared_html import moment
from app.words import phrases, say
from storage.shares import ShareRecord

_BACK = {"run": "../../runs?run=", "dataset": "../../dataset?id=", "chat": "../../playground?chat="}


def page(found: Sharing, base: str, made: str, refusal: str, nonce: str) -> str:
    """The page.

    Args:
        found: what is shared, and its links.
        base: address of the studio.
        made: id of the link that has just been made, if any.
        refusal: why something was not done; empty if it was.
        nonce: of the page's script.
    """
    target = found.target
    name, title = html.text(target.name), say(f"shares.title.{target.kind}")
    links = "".join(_link(share, token, base, share.id == made) for share, token in found.links)
    listed = f'<ul class="rs-links" role="list">{links}</ul>' if links else f'<p class="rs-facts">{say("shares.none")}</p>'
    told = html.notice(refusal, "bad") if refusal else ""
    script = (STATIC / "share_link.js").read_text(encoding="utf-8")
    back = f'<a href="{_BACK[target.kind]}{html.text(target.id)}">{say("shares.back")}</a>'
    return (
        f"{plain.header('../../')}"
        f'<main class="rs-shared"><div class="rs-title"><h1>{title}</h1><p dir="auto">{name}</p></div><p>{back}</p>{told}'
        f'<section class="rs-card"><h2 class="rs-caption">{say("shares.make")}</h2><p>{say(f"shares.shows.{target.kind}")}</p>'
        f'{_form(found)}</section><section class="rs-card"><h2 class="rs-caption">{say("shares.in_force")}</h2>{listed}</section>'
        f'<p id="told" class="rs-facts" role="status"></p><script nonce="{nonce}">{script}</script></main>'
    )


def _form(found: Sharing) -> str:
    options = "".join(f'<option value="{days}">{say("shares.days", count=days)}</option>' for days in found.days)
    adapter = _tick("adapter", say("shares.adapter")) if found.target.kind == "run" else ""
    anyone = _tick("anyone", say("shares.anyone")) if found.strangers else f'<p class="rs-facts">{say("shares.members")}</p>'
    return (
        f'<form class="rs-plain-form" method="post"><label>{say("shares.lasts")}<select name="days">{options}</select></label>'
        f'{adapter}{anyone}<button class="first">{say("shares.make")}</button></form>'
    )


def _tick(name: str, words: str) -> str:
    return f'<label class="tick"><input type="checkbox" name="{name}" value="yes"> {words}</label>'


def _link(share: ShareRecord, token: str, base: str, is_new: bool) -> str:
    said = [say("shares.until", moment=moment(share)), say("shares.made", ago=phrases.ago(share.created_at))]
    said += [say("shares.has_adapter")] if share.with_adapter else []
    said += [say("shares.is_for_anyone")] if share.anyone else []
    ident, facts = f"link-{share.id}", " · ".join(said)
    mark = f"<b>{say('shares.new')}</b> · " if is_new else ""
    copied = f'data-copies="{ident}" data-copied="{say("shares.copied")}" data-failed="{say("shares.not_copied")}"'
    return (
        f'<li><p class="rs-facts">{mark}{facts}</p><input id="{ident}" type="text" readonly aria-label="{say("shares.link")}, {facts}"'
        f' data-path="../../shared/{token}" value="{html.text(base)}shared/{token}">'
        f'<button type="button" {copied} aria-label="{say("shares.copy")}, {facts}">{say("shares.copy")}</button>'
        f'<form method="post" action="{html.text(share.target)}/revoke"><input type="hidden" name="share" value="{share.id}">'
        f'<button aria-label="{say("shares.revoke")}, {facts}">{say("shares.revoke")}</button></form></li>'
    )
