"""``serve`` as a program meets it: the page and its policy, what a recording gives, and what is refused."""

import http.client
import threading
from html import unescape

import pytest

from asr_helpers.__main__ import main
from asr_helpers.commands.serve import listen


def hear(file, name):
    """Stands for a model: says how long a recording is, and refuses one that says so."""
    said = file.read_bytes()
    if said == b"bad":
        raise ValueError(f"{file}: no recording at all; choose another \x1b[2J")
    return f"<p>{name}: {len(said)} bytes</p>"


@pytest.fixture(scope="module")
def served():
    server = listen(hear, host="127.0.0.1", port=0, limit=1000, title="<b>model")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def ask(port, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    given = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    connection.request(method, path, body, given)
    reply = connection.getresponse()
    answer = reply.status, reply.read().decode(), reply.headers
    connection.close()
    return answer


def test_the_page_brings_all_it_needs_and_may_ask_nobody_else(served):
    status, page, headers = ask(served, "GET", "/")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert "&lt;b&gt;model" in page and "<b>model" not in page and "src=" not in page and "://" not in page
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff" and 'data-limit="1000"' in page


POSTS = {
    # headers beyond the page's own, the body, where to → status, and the answer
    "a recording": ({}, b"12345", "/hear", 200, "<p>اب ت.wav: 5 bytes</p>"),
    "as large as can be": ({}, b"x" * 1000, "/hear", 200, "1000 bytes"),
    "one byte more": (
        {},
        b"x" * 1001,
        "/hear",
        413,
        "has 1.0 kB, and 1.0 kB are taken at most; start the program with",
    ),
    "no recording": ({}, b"bad", "/hear", 422, "اب ت.wav: no recording at all; choose another ␛[2J"),
    "another place": ({}, b"1", "/../etc/passwd", 400, "of known length to /hear"),
    "no length": ({"Content_Length": "many"}, b"", "/hear", 400, "of known length"),
    "a negative one": ({"Content_Length": "-5"}, b"", "/hear", 400, "of known length"),
    "another site's page": ({"Origin": "http://evil.example"}, b"1", "/hear", 403, "only the page itself"),
    "the page": ({"Origin": "http://localhost:1", "Host": "localhost:1"}, b"12", "/hear", 200, "2 bytes"),
    "another site's form": ({"X_Name": None}, b"1", "/hear", 403, "only the page itself"),
    "another name for this machine": ({"Host": "evil.example"}, b"1", "/hear", 403, "only the page itself"),
}


@pytest.mark.parametrize("case", POSTS)
def test_what_is_sent_is_heard_or_refused_in_one_sentence(served, case):
    headers, body, path, status, said = POSTS[case]
    found, answer, got = ask(served, "POST", path, body, **{"X_Name": "%D8%A7%D8%A8%20%D8%AA.wav", **headers})
    assert (found, said in answer) == (status, True), answer
    assert "\n" not in answer and "/tmp" not in answer and "\x1b" not in answer
    assert got["Content-Type"].startswith("text/plain")  # the page alone makes markup of it


def test_only_the_page_is_there(served):
    assert ask(served, "GET", "/../../etc/passwd")[0] == 404
    assert ask(served, "GET", "/", Host="evil.example")[0] == 403
    assert ask(served, "PUT", "/")[0] == 501


def test_a_recording_that_breaks_off_is_said_and_the_next_one_is_heard(served):
    connection = http.client.HTTPConnection("127.0.0.1", served, timeout=20)
    connection.putrequest("POST", "/hear")
    connection.putheader("Content-Length", "10")
    connection.putheader("X-Name", "a")
    connection.endheaders(b"123")
    connection.sock.shutdown(1)  # no more will come
    reply = connection.getresponse()
    assert reply.status == 400 and b"did not arrive whole" in reply.read()
    assert ask(served, "POST", "/hear", b"1", X_Name="a")[0] == 200


def test_a_port_that_is_taken_is_one_sentence(served, model, capsys):
    assert main(["serve", "--model", str(model), "--port", str(served)]) == 1
    said = capsys.readouterr().err
    assert f"no page can be opened on 127.0.0.1, port {served} (Address already in use); give another --port" in said
    assert main(["serve", "--model", str(model), "--port", "70000"]) == 1
    assert "port 70000 (" in capsys.readouterr().err


def test_the_command_hears_with_the_model_until_it_is_stopped(model, tapes, capsys, monkeypatch):
    answers = []

    def serve_once(server):
        data = (tapes / "a.wav").read_bytes()
        ports = threading.Thread(
            target=lambda: answers.append(ask(server.server_port, "POST", "/hear", data, X_Name="a.wav"))
        )
        ports.start()
        server.handle_request()
        ports.join(20)
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", serve_once)
    assert main(["serve", "--model", str(model), "--port", "0"]) == 0
    assert "open http://127.0.0.1:" in capsys.readouterr().out
    [(status, answer, _)] = answers
    assert status == 200 and "confidence 0." in answer and "<audio" in answer and 'lang="ur"' in unescape(answer)
