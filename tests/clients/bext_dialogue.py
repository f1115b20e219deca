"""The dialogue of a deploy, spoken by the official Python SDK 1.x.

    python bext_dialogue.py SOURCE LATER (URL | COMMAND [ARG...])

SOURCE and LATER are repositories of one application: the second has two releases more, of which the last does not pass
its health check. A COMMAND is started as the server; for a URL the key is in TOOLPACK_KEY. One JSON line a step goes to
stdout; the first that fails ends the run.
"""

import http.client
import json
import os
import sys
import threading
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import anyio
import httpx
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

STAGING = "staging-1"
PRODUCTION = ["prod-1", "prod-2", "prod-3"]
ALL = [STAGING, *PRODUCTION]
PATIENCE = timedelta(seconds=120)


class Visitors:
    """Ask every instance all the time; what is not a 200 is a failure."""

    def __init__(self, gateways: dict[str, str]) -> None:
        self.requests = 0
        self.failures: list[str] = []
        self.versions: dict[str, set[str]] = {instance: set() for instance in gateways}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._visit, args=pair, daemon=True) for pair in gateways.items()]
        for thread in self._threads:
            thread.start()

    def _visit(self, instance: str, address: str) -> None:
        while not self._stop.wait(0.005):
            try:
                connection = http.client.HTTPConnection(address, timeout=20)
                connection.request("GET", "/version", headers={"Host": "shop.localhost"})
                response = connection.getresponse()
                body = response.read().decode().strip()
                connection.close()
                failure = None if response.status == 200 else f"{instance}: {response.status} {body}"
            except Exception as error:  # noqa: BLE001: whatever it is, the visitor was not served
                failure, body = f"{instance}: {error!r}", ""
            with self._lock:
                self.requests += 1
                if failure:
                    self.failures.append(failure)
                else:
                    self.versions[instance].add(body)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


class Dialogue:
    """A session, and what is said in it."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.progress: list[str] = []

    async def _hear(self, done: float, total: float | None, message: str | None) -> None:
        assert total is not None and done <= total, (done, total, message)
        self.progress.append(message or "")

    async def call(self, tool: str, arguments: dict) -> tuple[str, dict]:
        """The first text of an answer, and its data."""
        result = await self.session.call_tool(tool, arguments, PATIENCE, progress_callback=self._hear)
        text = result.content[0].text
        assert not result.isError, f"{tool}: {text}"
        return text, result.structuredContent

    async def refused(self, tool: str, arguments: dict) -> str:
        """The text of a refusal."""
        result = await self.session.call_tool(tool, arguments, PATIENCE)
        assert result.isError, f"{tool} was not refused: {result}"
        return result.content[0].text


def say(step: str, **facts: object) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


async def speak(dialogue: Dialogue, source: str, later: str) -> None:
    call = dialogue.call
    _, listed = await call("list_instances", {})
    gateways = {instance["id"]: urlsplit(instance["url"]).netloc for instance in listed["instances"]}
    assert sorted(gateways) == sorted(ALL), gateways
    say("instances", gateways=gateways)

    for instance in ALL:
        _, app = await call("add_app", {"instance_id": instance, "name": "shop", "source": source})
        assert app["runtime"] == "process" and app["status"] == "stopped", app
    say("apps")

    text, fleet = await call("fleet_deploy", {"instance_ids": ALL, "version": "1.2.3"})
    assert text == "4/4 instances deployed successfully", text
    assert [entry["instance_id"] for entry in fleet["results"]] == ALL, fleet
    visitors = Visitors(gateways)
    say("first release")

    text, record = await call("deploy", {"instance_id": STAGING})
    assert text.startswith("Deployed v1.2.4 in ") and text.endswith("s"), text
    assert record["status"] == "success" and record["strategy"] == "full", record
    assert record["previous_version"].lstrip("v") == "1.2.3", record
    assert dialogue.progress, "a deploy says at which stage it is"
    say("staging", text=text)

    text, report = await call("run_conformance", {})
    assert text.startswith(f"Score: {report['score']:.1f}% ("), (text, report["score"])
    assert report["total"] >= 60 and report["failed"] == 0 and report["score"] > 95, report["failures"]
    assert report["passed"] + report["partial"] + report["failed"] == report["total"], report
    _, apps = await call("list_apps", {"instance_id": STAGING})
    assert [app["name"] for app in apps["apps"]] == ["shop"], apps
    say("conformance", text=text)

    text, fleet = await call("fleet_deploy", {"instance_ids": PRODUCTION, "version": "1.2.4"})
    assert text == "3/3 instances deployed successfully", text
    assert (fleet["total"], fleet["succeeded"], fleet["failed"]) == (3, 3, 0), fleet
    say("production", text=text)

    # Releases that are written later: those of another repository, as an app beside the first.
    _, app = await call("add_app", {"instance_id": "prod-1", "name": "shop-next", "source": later})
    await call("deploy", {"instance_id": "prod-1", "app": "shop-next", "version": "1.2.4"})
    _, record = await call("deploy", {"instance_id": "prod-1", "app": "shop-next", "version": "1.3.0", "canary_percent": 50})
    assert record["strategy"] == "canary", record
    seen = set()
    for _ in range(200):
        connection = http.client.HTTPConnection(gateways["prod-1"], timeout=20)
        connection.request("GET", "/version", headers={"Host": "shop-next.localhost"})
        seen.add(connection.getresponse().read().decode().strip())
        connection.close()
    assert seen == {"1.2.4", "1.3.0"}, seen
    say("canary", seen=sorted(seen))

    _, record = await call("promote_canary", {"instance_id": "prod-1", "app": "shop-next"})
    assert record["status"] == "success" and record["version"].lstrip("v") == "1.3.0", record
    say("promotion")

    text = await dialogue.refused("deploy", {"instance_id": "prod-1", "app": "shop-next"})
    assert "deploy_failed" in text and "500" in text, text
    say("bad release", text=text)

    _, record = await call("rollback", {"instance_id": "prod-1", "app": "shop-next"})
    assert record["status"] == "rolled_back" and record["version"].lstrip("v") == "1.2.4", record
    say("rollback")

    _, history = await call("deploy_history", {"instance_id": "prod-1"})
    statuses = [record["status"] for record in history["deploys"]]
    assert statuses[:2] == ["rolled_back", "failed"], statuses
    read = await dialogue.session.read_resource(AnyUrl("bext://deploy-history"))
    everywhere = json.loads(read.contents[0].text)
    assert everywhere["deploys"][0]["id"] == history["deploys"][0]["id"], everywhere["deploys"][0]
    read = await dialogue.session.read_resource(AnyUrl("bext://instance/prod-1"))
    overview = json.loads(read.contents[0].text)
    assert overview["id"] == "prod-1" and overview["health"]["status"] == "healthy", overview["health"]
    say("history", statuses=statuses)

    visitors.stop()
    assert visitors.versions["prod-2"] == {"1.2.3", "1.2.4"}, visitors.versions
    say("visitors", requests=visitors.requests, failed=len(visitors.failures), failures=visitors.failures[:5])


@asynccontextmanager
async def connected(target: list[str]):
    """A session with the server."""
    if target[0].startswith("http"):
        headers = {"Authorization": f"Bearer {os.environ['TOOLPACK_KEY']}"}
        async with httpx.AsyncClient(headers=headers, timeout=PATIENCE.total_seconds()) as http_client:
            async with streamable_http_client(target[0], http_client=http_client) as (read, write, _):
                async with ClientSession(read, write) as session:
                    yield session
    else:
        server = StdioServerParameters(command=target[0], args=target[1:])
        async with stdio_client(server) as (read, write):
            async with ClientSession(read, write) as session:
                yield session


async def main() -> None:
    source, later, *target = sys.argv[1:]
    async with connected(target) as session:
        await session.initialize()
        await speak(Dialogue(session), source, later)


if __name__ == "__main__":
    anyio.run(main)
