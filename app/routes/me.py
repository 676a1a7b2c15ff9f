"""Who is logged in, for the header of the pages."""

from typing import Any

from fastapi import FastAPI, Response

from app.people.asking import asking


def offer_me(app: FastAPI, *, has_login: bool) -> None:
    """The person who asks, and whether they log out here."""

    @app.get("/me")
    def me(response: Response) -> dict[str, Any]:
        person = asking()
        response.headers["Cache-Control"] = "no-store"
        return {"name": person.name, "operator": person.operator, "log_out": has_login}
