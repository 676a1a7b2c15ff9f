"""What a real server refuses, however it tells people apart: foreign names, foreign pages, what strangers say of proxies."""

import http.client
import json
import socket
from datetime import timedelta
from types import SimpleNamespace

import pytest

from app.people.file import People
from app.routes.refusals import HUB, names_of
from app.services import make_services
from app.settings import Settings
from tests.serving import serving
from tests.waiting import PATIENCE

PHRASE = "correct horse battery"
_LASTS = timedelta(days=1)
MODES = {
    "local": {},
    "team": {"people": "team"},
    "proxy": {"people": "proxy", "proxies": ["127.0.0.1"]},
    "server": {"people": "team", "host": "0.0.0.0", "allowed_hosts": ["studio.example", "other.example:8443"]},
}
PATHS = ("/", "/data", "/config", "/alive", "/login", "/gradio_api/info", "/gradio_api/queue/data", "/files/votes.jsonl", "/nothing")
FOREIGN = (
    "http://evil.example", "null", "", "file://", "http://[", "http://localhost:1", "http://127.0.0.1", "chrome-extension://abc",
    "HOST.evil.example",
    "http://evil@HOST", "https://127.0.0.1.evil.example", "http://HOST/path", "http://0.0.0.0:7860", "//HOST", "http://HOST, http://evil.example",
)  # fmt: skip


@pytest.fixture(scope="module", params=MODES)
def studio(request, tmp_path_factory):
    """A server of each mode: its port, the headers of somebody who is let in, and the name by which it is asked."""
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp(request.param) / "data", **MODES[request.param]))
    people = People(services.everything.files.root)
    token = services.everything.sessions.begin(people.add("Ada", PHRASE).id, _LASTS)
    inside = {"local": {}, "proxy": {"X-Forwarded-User": "ada"}}.get(request.param, {"Cookie": f"reft_studio_session={token}"})
    with serving(services) as site:
        host = "studio.example" if request.param == "server" else f"127.0.0.1:{site.port}"
        yield SimpleNamespace(mode=request.param, port=site.port, inside=inside, host=host)
    services.everything.close()


def asked(studio, method, path, body=None, **headers):
    """The answer to somebody who is let in, unless the headers say otherwise; a list of values is as many lines."""
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=PATIENCE)
    given = {"Host": studio.host, **studio.inside, **{name.replace("_", "-"): value for name, value in headers.items()}}
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in given.items():
        for each in value if isinstance(value, list) else [] if value is None else [value]:
            connection.putheader(name, each)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.text = "" if answer.headers.get_content_type() == "text/event-stream" else answer.read().decode("utf-8", "replace")
    connection.close()
    return answer


def test_whoever_is_let_in_is_answered_under_its_own_name(studio):
    for path in ("/", "/data", "/alive", "/config"):
        assert asked(studio, "GET", path).status == 200
    own = f"http://{studio.host}"
    assert asked(studio, "POST", "/gradio_api/queue/join", b"{}", Origin=own, Sec_Fetch_Site="same-origin").status == 422
    assert asked(studio, "POST", "/gradio_api/queue/join", b"{}").status == 422, "a program that is no browser says of no origin"


@pytest.mark.parametrize("host", [
    "evil.example", "127.0.0.1.evil.example", "evil.example:80", "", "[::2]", "HOST.evil.example", "evil@HOST", "HOST:x", "HOST:1:2",
    "HOST,evil.example",
    "HOST/evil.example", "xHOST", "other.example", "other.example:1", None, ["HOST", "evil.example"],
])  # fmt: skip
def test_no_other_name_is_answered_and_health_is(studio, host):
    name = studio.host.partition(":")[0]
    host = [each.replace("HOST", name) for each in host] if isinstance(host, list) else host and host.replace("HOST", name)
    for path in PATHS:
        found = asked(studio, "GET", path, Host=host)
        assert found.status == 400, path
        assert (
            path not in ("/", "/config") or "REFT_STUDIO_ALLOWED_HOSTS" in found.text or "Missing" in found.text or "Invalid" in found.text
        )
    assert host in (None, "") or isinstance(host, list) or asked(studio, "GET", "/healthz", Host=host).status == 200


@pytest.mark.parametrize("origin", FOREIGN)
def test_no_page_of_another_site_is_answered(studio, origin):
    origin = origin.replace("HOST", studio.host)
    for method in ("POST", "PUT", "DELETE", "PATCH", "GET", "OPTIONS"):
        for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/login", "/logout", "/play/votes", "/healthz", "/config"):
            found = asked(studio, method, path, None if method in ("GET", "OPTIONS") else b"{}", Origin=origin)
            assert found.status in (403, 404) and (found.status == 403 or (method, path) != ("POST", path)), (method, path)
            assert not [name for name in found.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_says_comes_from_elsewhere_is_refused_also_without_an_origin(studio, site):
    for method, path, mode, dest in (
        ("POST", "/logout", "navigate", "document"), ("POST", "/gradio_api/queue/join", "cors", "empty"),
        ("GET", "/config", "no-cors", "script"),
        ("GET", "/data", "navigate", "iframe"), ("GET", "/data", "navigate", "object"), ("GET", "/files/votes.jsonl", "no-cors", "image"),
        ("GET", "/gradio_api/queue/data?session_hash=x", "no-cors", "empty"),
    ):  # fmt: skip
        found = asked(
            studio, method, path, b"{}" if method == "POST" else None, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode, Sec_Fetch_Dest=dest
        )
        assert found.status == 403 and "another site" in json.loads(found.text)["error"], (method, path)
    link = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert asked(studio, "GET", "/data", **link).status == 200, "a link to the studio can be followed"


def test_no_origin_is_reflected_and_no_preflight_is_granted(studio):
    for origin in ("http://evil.example", "null", "http://localhost:1", f"http://{studio.host}"):
        wanted = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "X-Forwarded-Host"}
        for path in ("/", "/config", "/gradio_api/queue/join", "/nothing", "/gradio_api/run/x", "/healthz"):
            for method in ("OPTIONS", "GET", "POST"):
                found = asked(
                    studio, method, path, b"{" if method == "POST" else None, Origin=origin, **(wanted if method == "OPTIONS" else {})
                )
                assert not [name for name in found.headers if name.lower().startswith("access-control-")], (origin, method, path)


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "Forwarded", "X-Original-Host", "X-Forwarded-Server"])
def test_what_a_proxy_was_asked_by_is_believed_of_listed_ones_alone(studio, name):
    """A page of another site could say so, too, and be taken for the studio's own."""
    value = "host=evil.example" if name == "Forwarded" else "evil.example"
    found = asked(studio, "POST", "/gradio_api/queue/join", b"{}", Origin="http://evil.example", **{name: value})
    assert found.status in (400, 403)
    config = asked(studio, "GET", "/config", **{name: value})
    assert config.status == (400 if (studio.mode, name) == ("proxy", "X-Forwarded-Host") else 200) and "evil.example" not in config.text


def test_who_a_proxy_asks_for_is_believed_of_listed_ones_alone(studio):
    stranger = {**dict.fromkeys(studio.inside), "X_Forwarded_User": "root", "X_Forwarded_For": "10.0.0.1", "X_Real_IP": "10.0.0.1"}
    wanted = {"local": 200, "proxy": 200, "team": 401, "server": 401}[studio.mode]
    if studio.mode == "proxy":
        studio = SimpleNamespace(**{**vars(studio), "inside": {}})
        del stranger["X_Forwarded_User"]
        wanted = 401
    assert asked(studio, "GET", "/alive", **stranger).status == wanted


def test_a_proxy_on_this_machine_is_no_listed_one(tmp_path):
    """Uvicorn believes this machine by default; then any program here could guess pass phrases from as many addresses as it likes."""
    services = make_services(Settings(data_dir=tmp_path / "data", people="team"))
    People(services.everything.files.root).add("Ada", PHRASE)
    with serving(services) as site:
        studio = SimpleNamespace(port=site.port, inside={}, host=f"127.0.0.1:{site.port}")
        found = []
        for number in range(6):
            given = {
                "X_Forwarded_For": f"10.0.0.{number}",
                "X_Forwarded_Proto": "https",
                "Content_Type": "application/x-www-form-urlencoded",
            }
            found.append(asked(studio, "POST", "/login", b"username=Ada&password=wrong+phrase", **given).status)
    services.everything.close()
    assert found == [401] * 5 + [429]


def test_every_answer_says_how_browsers_are_to_treat_it(studio):
    for path in (*PATHS, "/healthz", "/gradio_api/file=/etc/passwd", "/theme.css"):
        headers = asked(studio, "GET", path).headers
        policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
        own = policy["default-src"]
        assert policy["frame-ancestors"] == policy.get("object-src", own) == "'none'" and policy.get("connect-src", own) == own
        assert own in ("'self'", "'none'") and policy["form-action"] in ("'self'", "'none'") and policy["base-uri"] in ("'self'", "'none'")
        assert "http" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"
        assert (
            headers["Referrer-Policy"] == headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
        )


@pytest.mark.parametrize("path", [
    "/openapi.json", "/docs", "/redoc", "/gradio_api/openapi.json", "/gradio_api/docs", "/gradio_api/deep_link?session_hash=x",
    "/monitoring", "//openapi.json",
    "/gradio_api//openapi.json", "/%6fpenapi.json", "/gradio_api/%66ile=/etc/passwd", "/openapi.json/", "/logout",
])  # fmt: skip
def test_what_gradio_tells_of_itself_is_not_there(studio, path):
    assert asked(studio, "GET", path).status == 404


def test_the_list_of_interfaces_names_none(studio):
    assert json.loads(asked(studio, "GET", "/gradio_api/info").text) == {"named_endpoints": {}, "unnamed_endpoints": {}}


@pytest.mark.parametrize(
    ("host", "origin"), [("HOST", "http://evil.example"), ("evil.example", None), ("HOST", "null"), ("HOST", "http://localhost:1")]
)
def test_no_web_socket_is_opened_from_elsewhere(studio, host, origin):
    lines = [
        "GET /gradio_api/queue/join HTTP/1.1", f"Host: {host.replace('HOST', studio.host)}", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *([f"Origin: {origin}"] if origin else []),
        *(f"{name}: {value}" for name, value in studio.inside.items()),
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", studio.port), timeout=PATIENCE) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = connection.recv(100).split(b" ")[1]
    assert status in (b"400", b"403")


def test_a_listed_proxy_is_believed_of_name_scheme_and_address(tmp_path):
    """So that a session's cookie is kept for https, and wrong pass phrases are counted of whoever typed them."""
    services = make_services(Settings(data_dir=tmp_path / "data", people="team", proxies=["127.0.0.0/8"], allowed_hosts=["studio.example"]))
    People(services.everything.files.root).add("Ada", PHRASE)
    with serving(services) as site:
        studio = SimpleNamespace(mode="", port=site.port, inside={}, host=f"127.0.0.1:{site.port}")

        def log_in(phrase=PHRASE, origin="https://studio.example", host="studio.example", address="10.0.0.7"):
            body = f"username=Ada&password={phrase.replace(' ', '+')}".encode()
            return asked(
                studio, "POST", "/login", body, Origin=origin, X_Forwarded_Host=host, X_Forwarded_Proto="https", X_Forwarded_For=address,
                Content_Type="application/x-www-form-urlencoded",
            )  # fmt: skip

        assert log_in().status == 303 and "Secure" in log_in().headers["Set-Cookie"]
        assert log_in(host="evil.example", origin="https://evil.example").status == 400
        assert log_in(host="evil.example, studio.example").status == 400
        assert log_in(origin=f"http://{studio.host}").status == 403, "what the proxy is asked by counts, not what it asks by"
        assert log_in(origin="http://studio.example").status == 403, "anybody on the way could have changed such a page"
        assert [log_in("wrong phrase").status for _ in range(6)] == [401] * 5 + [429]
        assert log_in().status == 429 and log_in(address="10.0.0.8").status == 303
    services.everything.close()


def test_on_a_space_its_own_name_is_known_and_the_hub_alone_shows_it_in_a_frame(tmp_path, monkeypatch):
    monkeypatch.setenv("SPACE_HOST", "ada-studio.hf.space")
    settings = Settings(data_dir=tmp_path / "data", host="0.0.0.0", people="team")
    assert settings.space and names_of(settings) == {("ada-studio.hf.space", "")}
    services = make_services(settings)
    with serving(services) as site:
        studio = SimpleNamespace(port=site.port, inside={}, host="ada-studio.hf.space")
        found = asked(studio, "GET", "/login")
        assert (
            found.status == 200
            and f"frame-ancestors {HUB}" in found.headers["Content-Security-Policy"]
            and "X-Frame-Options" not in found.headers
        )
        framed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}
        assert asked(studio, "GET", "/login", **framed).status == 200 and asked(studio, "GET", "/login", Host="evil.example").status == 400
    services.everything.close()
    assert not Settings(data_dir=tmp_path / "data").space, "a laptop in whose environment a Space's name stands is none"
