"""What both Python clients do with the server, in order.

The server offers the fixtures of the official conformance suite, and `test_slow` with `test_slow_ended`. One JSON line
a check goes to stdout, {"check": "call", "ok": true, ...}; the first failure ends the run with status 1. Results are
compared as JSON, under the names of the wire, since the two lines of the SDK name their fields differently.
"""

import base64
import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
from python_wire import TIMEOUT_SECONDS, Wire

Json = dict[str, Any]
Progress = Callable[[float, float | None, str | None], Awaitable[None]]

LOG_LEVEL = "io.modelcontextprotocol/logLevel"
WATCHED = "test://watched-resource"
# A call that only cancellation can end within the life of this script.
FOREVER_MS = 600_000


class Refused(Exception):
    """The server answered a request with an error."""

    def __init__(self, code: int, data: Any) -> None:
        super().__init__(f"error {code}: {data}")
        self.code = code
        self.data = data


class Sdk(ABC):
    """A connected client: what a line of the SDK can do, and how it spells it."""

    # The revision that it is to speak, and whether that needs no handshake.
    revision: str
    modern: bool

    def __init__(self) -> None:
        # What the server asked, and who answers it, by kind: elicitation, sampling, roots.
        self.asked: list[Json] = []
        self.answers: dict[str, Callable[[Json], Json]] = {}
        self.logged: list[Json] = []

    def answer(self, kind: str, params: Json) -> Json:
        self.asked.append(params)
        return self.answers[kind](params)

    @abstractmethod
    async def about(self) -> Json:
        """protocolVersion, capabilities, and serverInfo of the server."""

    @abstractmethod
    async def page(self, what: str, cursor: str | None) -> Json:
        """A page of tools, resources, resourceTemplates or prompts."""

    @abstractmethod
    async def call(
        self, tool: str, arguments: Json, progress: Progress | None = None, meta: Json | None = None
    ) -> Json:
        """tools/call, with what is asked on the way answered."""

    @abstractmethod
    async def give_up(self, tool: str, arguments: Json) -> bool:
        """Calls a tool, and cancels the call once it reports progress; says whether it did."""

    @abstractmethod
    async def read(self, uri: str) -> Json: ...

    @abstractmethod
    async def prompt(self, name: str, arguments: dict[str, str] | None = None) -> Json: ...

    @abstractmethod
    async def complete(self, prompt: str, argument: str, value: str) -> Json: ...

    @abstractmethod
    async def set_level(self, level: str) -> None:
        """logging/setLevel, in the handshake era."""

    @abstractmethod
    async def ping(self) -> None:
        """ping, in the handshake era."""

    @abstractmethod
    def subscribed(self, uri: str | None) -> AbstractAsyncContextManager[Callable[[], Awaitable[str]]]:
        """Subscribes to a resource or, without one, to the list of tools; waits for a change and names what changed."""

    async def round(self, tool: str, arguments: Json, answered: tuple[Json, str] | None = None) -> Json:
        """One round of tools/call in the modern era, with the answers and the state of the round before."""
        raise NotImplementedError


class Checks:
    """Each is a method; its docstring says what it shows."""

    def __init__(self, sdk: Sdk) -> None:
        self.sdk = sdk

    async def connect(self) -> Json:
        """The server and the client agree on the revision, each in the way of its era."""
        about = await self.sdk.about()
        equal(about["protocolVersion"], self.sdk.revision)
        for name in ("tools", "resources", "prompts", "completions"):
            check(name in about["capabilities"], f"the server declares no {name}")
        return {"server": about["serverInfo"]}

    async def ping(self) -> None:
        """ping."""
        await self.sdk.ping()

    async def list(self) -> Json:
        """tools/list, page by page."""
        names = [tool["name"] for tool in await every(self.sdk, "tools")]
        equal(len(set(names)), len(names), "a tool is listed twice")
        for name in ("test_simple_text", "test_tool_with_progress", "test_slow"):
            check(name in names, f"{name} is not listed")
        return {"tools": len(names)}

    async def call(self) -> None:
        """tools/call with a plain answer."""
        await self._simple_call()

    async def content_kinds(self) -> None:
        """One answer with blocks of several kinds."""
        result = await self.sdk.call("test_multiple_content_types", {})
        equal(sorted(block["type"] for block in result["content"]), ["image", "resource", "text"])

    async def tool_error(self) -> None:
        """A tool that fails answers with a result marked as an error."""
        result = await self.sdk.call("test_error_handling", {})
        check(result.get("isError") is True and only_text(result) != "", f"not a tool error: {result}")

    async def unknown_tool(self) -> None:
        """A name that no tool has is a protocol error."""
        await refused(self.sdk.call("no_such_tool", {}), -32602)

    async def mirrored_parameter(self) -> Json:
        """A parameter with `x-mcp-header` goes in its header too, where there are headers, and the server takes it."""
        for tool in await every(self.sdk, "tools"):
            properties = tool["inputSchema"].get("properties", {})
            if any("x-mcp-header" in schema for schema in properties.values()):
                # Beyond ASCII, so that the header has to be encoded.
                arguments = {name: "Zürich" for name in properties if properties[name].get("type") == "string"}
                result = await self.sdk.call(tool["name"], arguments)
                check(not result.get("isError"), f"{tool['name']} refused {arguments}: {result}")
                return {"tool": tool["name"]}
        raise AssertionError("no tool has a parameter with x-mcp-header")

    async def resources(self) -> Json:
        """resources/list and resources/templates/list, page by page."""
        uris = [resource["uri"] for resource in await every(self.sdk, "resources")]
        templates = [template["uriTemplate"] for template in await every(self.sdk, "resourceTemplates")]
        check("test://static-text" in uris, "the static text is not listed")
        check("test://template/{id}/data" in templates, "the template is not listed")
        return {"resources": len(uris), "templates": len(templates)}

    async def read(self) -> None:
        """resources/read of a text."""
        uri, text = "test://static-text", "This is the content of the static text resource."
        equal((await self.sdk.read(uri))["contents"], [{"uri": uri, "mimeType": "text/plain", "text": text}])

    async def read_binary(self) -> None:
        """resources/read of bytes."""
        (content,) = (await self.sdk.read("test://static-binary"))["contents"]
        equal(content["mimeType"], "image/png")
        equal(base64.b64decode(content["blob"], validate=True)[1:4], b"PNG")

    async def read_template(self) -> None:
        """resources/read of a URI that a template covers."""
        uri = "test://template/123/data"
        (content,) = (await self.sdk.read(uri))["contents"]
        equal(content["uri"], uri)
        equal(json.loads(content["text"])["id"], "123")

    async def resource_not_found(self) -> None:
        """A URI that nothing covers is a protocol error that names it."""
        uri = "test://no-such-resource"
        error = await refused(self.sdk.read(uri), -32602 if self.sdk.modern else -32002)
        equal((error.data or {}).get("uri"), uri)

    async def prompts(self) -> Json:
        """prompts/list, page by page."""
        prompts = {prompt["name"]: prompt for prompt in await every(self.sdk, "prompts")}
        arguments = prompts["test_prompt_with_arguments"]["arguments"]
        equal([(argument["name"], argument["required"]) for argument in arguments], [("arg1", True), ("arg2", True)])
        return {"prompts": len(prompts)}

    async def prompt(self) -> None:
        """prompts/get with arguments."""
        result = await self.sdk.prompt("test_prompt_with_arguments", {"arg1": "hello", "arg2": "world"})
        text = "Prompt with arguments: arg1='hello', arg2='world'"
        equal(result["messages"], [{"role": "user", "content": {"type": "text", "text": text}}])

    async def completion(self) -> None:
        """completion/complete for the argument of a prompt."""
        result = await self.sdk.complete("test_prompt_with_arguments", "arg1", "par")
        equal(result["completion"]["values"], ["paris", "park", "party"])

    async def progress(self) -> None:
        """Progress arrives before the answer of its call, in order."""
        steps = []

        async def step(progress: float, total: float | None, message: str | None) -> None:
            steps.append((progress, total))

        await self.sdk.call("test_tool_with_progress", {}, progress=step)
        equal(steps, [(0, 100), (50, 100), (100, 100)])

    async def cancel(self) -> None:
        """A running call is given up: its work ends on the server, and other calls go on."""
        check(await self.sdk.give_up("test_slow", {"ms": FOREVER_MS}), "the call ended without progress")
        # It waits for the end of the work there, however long that takes.
        equal(only_text(await self.sdk.call("test_slow_ended", {})), "Given up: 1")
        await self._simple_call()

    async def concurrent(self) -> None:
        """A slow call does not hold up a quick one."""
        finished = []

        async def run(name: str, arguments: Json) -> None:
            await self.sdk.call(name, arguments)
            finished.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(run, "test_slow", {"ms": 300})
            group.start_soon(run, "test_simple_text", {})
        equal(finished, ["test_simple_text", "test_slow"])

    async def logging(self) -> None:
        """Log messages come at the level that was asked for, by the request or for the session, and not below it."""

        async def call_at(level: str) -> None:
            if not self.sdk.modern:
                await self.sdk.set_level(level)
            await self.sdk.call("test_tool_with_logging", {}, meta={LOG_LEVEL: level} if self.sdk.modern else None)

        await call_at("info")
        equal([message["level"] for message in self.sdk.logged], ["info"] * 3)
        await call_at("error")
        if self.sdk.modern:
            await self.sdk.call("test_tool_with_logging", {})
        equal(len(self.sdk.logged), 3, "messages came that nobody asked for")

    async def elicitation(self) -> None:
        """A form with defaults: accepted, declined and cancelled, and asked again where it does not fit."""
        tool = "test_elicitation_sep1034_defaults"
        filled_in = {"name": "Ada", "age": 36, "score": 99.5, "status": "inactive", "verified": False}
        text = await self._ask(tool, elicitation=lambda form: accept(filled_in))
        equal(text, f"Elicitation completed: action=accept, content={compact(filled_in)}")
        (form,) = self.sdk.asked
        equal((form["mode"], form["message"]), ("form", "Please review and update the form fields with defaults"))
        fields = form["requestedSchema"]["properties"]
        equal(
            {name: (field["type"], field["default"]) for name, field in fields.items()},
            {
                "name": ("string", "John Doe"),
                "age": ("integer", 30),
                "score": ("number", 95.5),
                "status": ("string", "active"),
                "verified": ("boolean", True),
            },
        )
        equal(fields["status"]["enum"], ["active", "inactive", "pending"])

        for action in ("decline", "cancel"):
            text = await self._ask(tool, elicitation=lambda form: {"action": action})
            equal(text, f"Elicitation completed: action={action}, content={{}}")

        def second_try(form: Json) -> Json:
            return accept(filled_in if len(self.sdk.asked) > 1 else {**filled_in, "status": "asleep"})

        text = await self._ask(tool, elicitation=second_try)
        equal(text, f"Elicitation completed: action=accept, content={compact(filled_in)}")
        equal(len(self.sdk.asked), 2, "a form that does not fit is not asked for again")

    async def elicitation_enums(self) -> None:
        """Choices of one and of several, with and without titles."""
        chosen = {
            "untitledSingle": "option1",
            "titledSingle": "value2",
            "legacyEnum": "opt3",
            "untitledMulti": ["option1", "option3"],
            "titledMulti": [],
        }
        text = await self._ask("test_elicitation_sep1330_enums", elicitation=lambda form: accept(chosen))
        equal(text, f"Elicitation completed: action=accept, content={compact(chosen)}")
        fields = self.sdk.asked[0]["requestedSchema"]["properties"]
        equal(fields["untitledSingle"], {"type": "string", "enum": ["option1", "option2", "option3"]})
        equal(fields["titledSingle"]["oneOf"][0], {"const": "value1", "title": "First Option"})
        equal(fields["legacyEnum"]["enumNames"], ["Option One", "Option Two", "Option Three"])
        equal(fields["untitledMulti"]["items"], {"type": "string", "enum": ["option1", "option2", "option3"]})
        equal(fields["titledMulti"]["items"]["anyOf"][2], {"const": "value3", "title": "Third Choice"})

    async def elicitation_url(self) -> None:
        """A URL to open, which has an id of its own in the handshake era alone."""
        for action in ("accept", "decline", "cancel"):
            text = await self._ask("test_elicitation_url", elicitation=lambda visit: {"action": action})
            equal(text, f"URL elicitation completed: action={action}")
            (visit,) = self.sdk.asked
            equal((visit["mode"], visit["url"]), ("url", "https://example.com/login"))
            equal("elicitationId" in visit, not self.sdk.modern)

    async def sampling(self) -> None:
        """The client's model is asked."""
        prompt = "What is the capital of France?"
        text = await self._ask("test_sampling", {"prompt": prompt}, sampling=lambda params: say("Paris"))
        equal(text, "LLM response: Paris")
        (params,) = self.sdk.asked
        equal(params["messages"], [{"role": "user", "content": {"type": "text", "text": prompt}}])
        equal(params["maxTokens"], 100)

    async def roots(self) -> None:
        """The client's folders are asked for."""
        uris = ["file:///home/ada", "file:///srv"]
        text = await self._ask("test_roots", roots=lambda _: folders(*uris))
        equal(text, "Roots: file:///home/ada, file:///srv")
        equal(await self._ask("test_roots", roots=lambda _: folders()), "Roots: ")

    async def confirm(self) -> None:
        """Consent: given and withheld."""
        what = {"what": "the archive"}
        agreed = "They agreed that the archive may be deleted."
        equal(await self._ask("test_confirm", what, elicitation=lambda form: accept({})), agreed)
        equal([form["message"] for form in self.sdk.asked], ["Delete the archive for good?"])
        for action in ("decline", "cancel"):
            self.sdk.answers = {"elicitation": lambda form: {"action": action}}
            check((await self.sdk.call("test_confirm", what)).get("isError") is True, f"{action} was taken for a yes")

    async def consent_once(self) -> None:
        """Consent is good for once only."""
        what = {"what": "the archive"}
        asked = await self.sdk.round("test_confirm", what)
        consent = ({key: accept({}) for key in asked["inputRequests"]}, asked["requestState"])
        agreed = "They agreed that the archive may be deleted."
        equal(only_text(await self.sdk.round("test_confirm", what, consent)), agreed)
        again = await self.sdk.round("test_confirm", what, consent)
        equal(again["resultType"], "input_required", "consent was taken twice")

    async def tampered_state(self) -> None:
        """A state that was changed on its way is a protocol error."""
        tool = "test_input_required_result_tampered_state"
        asked = await self.sdk.round(tool, {})
        answers, state = {key: accept({"ok": True}) for key in asked["inputRequests"]}, asked["requestState"]
        await refused(self.sdk.round(tool, {}, (answers, state + "A")), -32602)
        result = await self.sdk.round(tool, {}, (answers, state))
        equal(only_text(result), 'action=accept, content={"ok":true}')

    async def several_questions(self) -> Json:
        """Several questions at once, and one after another."""

        def fill_in(form: Json) -> Json:
            return accept({"color": "blue"} if "color" in form["message"] else {"name": "Ada"})

        answers = {
            "elicitation": fill_in,
            "sampling": lambda params: say("Good day,"),
            "roots": lambda _: folders("file:///srv"),
        }
        text = await self._ask("test_input_required_result_multiple_inputs", **answers)
        equal(text, "Good day, Ada works in file:///srv")
        equal(len(self.sdk.asked), 3)
        equal(await self._ask("test_input_required_result_multi_round", **answers), "Ada likes blue.")
        steps = ["Step 1: What is your name?", "Step 2: What is your favorite color?"]
        equal([form["message"] for form in self.sdk.asked], steps)
        return {"rounds": len(steps)}

    async def prompt_and_resource_questions(self) -> None:
        """prompts/get and resources/read ask as well."""
        self.sdk.answers = {"elicitation": lambda form: accept({"context": "a test", "name": "Ada"})}
        prompt = await self.sdk.prompt("test_input_required_result_prompt")
        equal([message["content"]["text"] for message in prompt["messages"]], ["Use this context: a test"])
        (content,) = (await self.sdk.read("test://your-greeting"))["contents"]
        equal(content["text"], "Hello, Ada!")

    async def streamed_question(self) -> None:
        """A question after progress."""
        steps = []

        async def step(progress: float, total: float | None, message: str | None) -> None:
            steps.append(progress)

        self.sdk.answers = {"elicitation": lambda form: accept({"steps": 3})}
        result = await self.sdk.call("test_streaming_elicitation", {}, progress=step)
        equal(only_text(result), "The user has seen 3 of 3 steps.")
        equal(steps, [1, 2, 3] * (2 if self.sdk.modern else 1), "in the modern era the work runs twice")

    async def subscribe(self) -> None:
        """A change of a resource is told to whoever subscribed to it; calls go on beside it."""
        async with self.sdk.subscribed(WATCHED) as changed:
            await self.sdk.call("test_trigger_resource_update", {})
            equal(await changed(), WATCHED)
        await self._simple_call()

    async def list_changed(self) -> None:
        """A change of the list of tools is told; calls go on beside it."""
        async with self.sdk.subscribed(None) as changed:
            await self.sdk.call("test_trigger_tool_change", {})
            equal(await changed(), "tools")
        await self._simple_call()

    async def _ask(self, tool: str, arguments: Json | None = None, **answers: Callable[[Json], Json]) -> str:
        """Calls a tool and answers what it asks, by kind; what it asked is then in `asked`."""
        self.sdk.asked, self.sdk.answers = [], answers
        result = await self.sdk.call(tool, arguments or {})
        check(not result.get("isError"), f"a tool error: {result}")
        return only_text(result)

    async def _simple_call(self) -> None:
        result = await self.sdk.call("test_simple_text", {})
        check(not result.get("isError"), f"a tool error: {result}")
        equal(only_text(result), "This is a simple text response for testing.")


ORDER = [
    Checks.connect,
    Checks.ping,
    Checks.list,
    Checks.call,
    Checks.content_kinds,
    Checks.tool_error,
    Checks.unknown_tool,
    Checks.mirrored_parameter,
    Checks.resources,
    Checks.read,
    Checks.read_binary,
    Checks.read_template,
    Checks.resource_not_found,
    Checks.prompts,
    Checks.prompt,
    Checks.completion,
    Checks.progress,
    Checks.cancel,
    Checks.concurrent,
    Checks.logging,
    Checks.elicitation,
    Checks.elicitation_enums,
    Checks.elicitation_url,
    Checks.sampling,
    Checks.roots,
    Checks.confirm,
    Checks.consent_once,
    Checks.tampered_state,
    Checks.several_questions,
    Checks.prompt_and_resource_questions,
    Checks.streamed_question,
    Checks.subscribe,
    Checks.list_changed,
]
HANDSHAKE_ONLY = {Checks.ping}
MODERN_ONLY = {Checks.consent_once, Checks.tampered_state}


async def run_checks(connected: AbstractAsyncContextManager[Sdk], wire: Wire) -> int:
    """Connects, runs all checks and leaves; the status to exit with."""
    name = "connect"
    try:
        async with connected as sdk:
            left_out = HANDSHAKE_ONLY if sdk.modern else MODERN_ONLY
            for method in ORDER:
                if method in left_out:
                    continue
                name = method.__name__
                with anyio.fail_after(TIMEOUT_SECONDS):
                    details = await method(Checks(sdk)) or {}
                report(name, True, details)
            name = "close"
        ended = [server.returncode for server in wire.servers]
        equal(ended, [0] * len(ended), "the server did not end by itself when its input ended")
        report(name, True, {})
        return 0
    except Exception as error:
        report(name, False, {"error": innermost(error)})
        traceback.print_exc()
        return 1


async def every(sdk: Sdk, what: str) -> list[Json]:
    items: list[Json] = []
    seen: set[str] = set()
    cursor: str | None = None
    while True:
        page = await sdk.page(what, cursor)
        items += page[what]
        cursor = page.get("nextCursor")
        if cursor is None:
            return items
        check(cursor not in seen, f"the pages of {what} go in a circle")
        seen.add(cursor)


def only_text(result: Json) -> str:
    (block,) = result["content"]
    equal(block["type"], "text")
    return block["text"]


def accept(content: Json) -> Json:
    return {"action": "accept", "content": content}


def say(text: str) -> Json:
    """What a model says."""
    return {"role": "assistant", "model": "test", "stopReason": "endTurn", "content": {"type": "text", "text": text}}


def folders(*uris: str) -> Json:
    return {"roots": [{"uri": uri} for uri in uris]}


def compact(value: Any) -> str:
    """JSON as the server writes it."""
    return json.dumps(value, separators=(",", ":"))


async def refused(request: Awaitable[Any], code: int) -> Refused:
    try:
        answer = await request
    except Refused as error:
        equal(error.code, code, str(error))
        return error
    raise AssertionError(f"expected error {code}, got {answer}")


def check(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def equal(actual: Any, expected: Any, message: str = "") -> None:
    check(actual == expected, f"{message + ': ' if message else ''}expected {expected!r}, got {actual!r}")


def report(name: str, ok: bool, details: Json) -> None:
    print(json.dumps({"check": name, "ok": ok, **details}, ensure_ascii=False), flush=True)


def innermost(error: BaseException) -> str:
    """The text of the cause: task groups wrap what failed in them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
