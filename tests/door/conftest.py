"""A studio of two people over a real server."""

import httpx
import pytest

from app.people.file import People
from app.services import make_services
from app.settings import Settings
from tests.serving import serving

PHRASES = {"Ada": "correct horse battery", "Bob": "staple of another kind"}


@pytest.fixture(scope="package")
def team(tmp_path_factory):
    """The address, the services, and a client for each person and a stranger."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("door") / "data"
    patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
    services = make_services(
        Settings(data_dir=folder, people="team", allowed_hosts=["127.0.0.1"], max_upload_mb=1, person_uploads_mb=2, person_requests=50)
    )
    people = People(services.everything.files.root)
    for name, phrase in PHRASES.items():
        people.add(name, phrase)
    with serving(services) as site:
        clients = {name: httpx.Client(base_url=site.address, timeout=60) for name in (*PHRASES, "stranger")}
        for name, phrase in PHRASES.items():
            assert clients[name].post("/login", data={"username": name, "password": phrase}).status_code == 303
        yield site, services, clients
        for client in clients.values():
            client.close()
    services.everything.close()
    patch.undo()


@pytest.fixture
def site(team):
    return team[0]


@pytest.fixture
def ada(team):
    return team[2]["Ada"]


@pytest.fixture
def bob(team):
    return team[2]["Bob"]


@pytest.fixture
def uploads(team):
    return team[1].everything.files.uploads
