//! Rules as they are written down: in code and in files, with what is wrong with them.

use mcp_core::{
    Access, Action, Annotations, CallerRules, ConfirmDestructive, Contents, Decision, Denied, Empty,
    Messages, Pack, PackOptions, Policy, Principal, PrincipalKind, Rules, ScopePatterns, Selection, Server,
    Text, prompt_fn, resource_fn,
    testing::{Client, Options},
    tool_fn,
};
use serde_json::json;

use super::{ERAS, user};

/// Every field once.
const FILE: &str = r#"
read_only = true
scope_patterns = "prefix"
name_patterns = true
names_may_come = true
tools = { allow = ["db_*"], allow_tags = ["reading"], deny = ["db_drop"], deny_tags = ["admin"] }
resources.deny = ["logs://{service}"]
prompts.allow = []

[unasked]
callers = [{ kind = "service" }, { kind = "user", subject = "ada" }]
tools = ["db_vacuum"]

[[callers]]
kind = "client"
subject = "dashboard"
scope = "trial"
tenant = "acme"
read_only = true
tools.allow = ["db_read"]
resources.allow_tags = ["charts"]
prompts.deny = ["letter"]
"#;

#[test]
fn a_file_says_the_same_as_code_and_as_what_is_written_out_again() {
    let mut section = CallerRules::of_subject(PrincipalKind::Client, "dashboard")
        .read_only()
        .tools(Selection::only(["db_read"]))
        .resources(Selection::tagged("charts"))
        .prompts(Selection::all().without(["letter"]));
    (section.scope, section.tenant) = (Some("trial".into()), Some("acme".into()));
    let tools = Selection::only(["db_*"]).or_tagged("reading").without(["db_drop"]).without_tagged("admin");
    let rules = Rules::new()
        .read_only()
        .scope_patterns(ScopePatterns::Prefix)
        .name_patterns()
        .names_may_come()
        .tools(tools)
        .resources(Selection::all().without(["logs://{service}"]))
        .prompts(Selection::only(Vec::<String>::new()))
        .unasked(|unasked| {
            unasked.kind(PrincipalKind::Service).subject(PrincipalKind::User, "ada").tool("db_vacuum")
        })
        .caller(section);
    assert_eq!(toml::from_str::<Rules>(FILE).unwrap(), rules);
    let written = serde_json::to_value(&rules).unwrap();
    assert_eq!(serde_json::from_value::<Rules>(written).unwrap(), rules);
    assert_eq!(serde_json::to_value(Rules::new()).unwrap(), json!({"scope_patterns": "exact"}));
    assert_eq!(toml::from_str::<Rules>("").unwrap(), Rules::new());
}

#[test]
fn what_no_field_is_called_is_refused_by_its_name() {
    for (file, named) in [
        ("readonly = true", "unknown field `readonly`, expected one of `read_only`"),
        ("tools.alow = []", "unknown field `alow`, expected one of `allow`"),
        ("unasked.kinds = []", "unknown field `kinds`"),
        ("unasked.callers = [{ kind = 'user', name = 'ada' }]", "unknown field `name`"),
        ("unasked.callers = [{ subject = 'ada' }]", "missing field `kind`"),
        ("[[callers]]\nkinds = 'user'", "unknown field `kinds`"),
        (
            "[[callers]]\nkind = 'person'",
            "unknown variant `person`, expected one of `local`, `anonymous`, `user`",
        ),
        ("scope_patterns = 'regex'", "unknown variant `regex`, expected one of `exact`, `star`, `prefix`"),
    ] {
        let error = toml::from_str::<Rules>(file).unwrap_err().to_string();
        assert!(error.contains(named), "{file}: {error}");
    }
}

fn server() -> Server {
    let tool =
        |name: &str, annotations| tool_fn(name, annotations, async |_: Empty, _| Ok(Text::new("done")));
    let logs = resource_fn("logs://today", "logs", async |_: Empty, _| Ok(Contents::text("")));
    Server::new("test", "1")
        .add(tool("db_read", Annotations::read_only()).about(|about| about.tag("reading")))
        .add(tool("db_drop", Annotations::destructive()).about(|about| about.tag("admin")))
        .add(logs)
        .add(prompt_fn("letter", async |_: Empty, _| Ok(Messages::user(""))))
}

#[test]
fn what_is_wrong_with_rules_keeps_the_server_from_starting_and_says_what_to_do() {
    for (file, problem) in [
        (
            "tools.allow = ['db_*']",
            "policy: `tools.allow`: `db_*` is a pattern, and patterns are off; name each tool, or set `name_patterns = \
             true` to have it stand for every one that begins with `db_`",
        ),
        (
            "name_patterns = true\ntools.deny = ['d*_drop']",
            "policy: `tools.deny`: `d*_drop`: a `*` can only be the last",
        ),
        ("name_patterns = true\ntools.deny = ['d**']", "policy: `tools.deny`: `d**` has more than one `*`"),
        (
            "name_patterns = true\ntools.deny = ['kv_*']",
            "policy: `tools.deny`: no tool begins with `kv_`; where it is",
        ),
        (
            "tools.deny = ['db_dorp']",
            "policy: `tools.deny`: there is no tool `db_dorp`; did you mean `db_drop`?",
        ),
        (
            "tools.deny = ['nothing_like_it']",
            "policy: `tools.deny`: there is no tool `nothing_like_it`; where it is registered while the server runs, set \
             `names_may_come = true`",
        ),
        (
            "tools.deny_tags = ['admim']",
            "policy: `tools.deny_tags`: nothing carries the tag `admim`; did you mean `admin`?",
        ),
        (
            "resources.allow = ['logs://tomorrow']",
            "policy: `resources.allow`: there is no resource `logs://tomorrow`",
        ),
        ("unasked.tools = ['drop']", "policy: `unasked.tools`: there is no tool `drop`"),
        (
            "[[callers]]\nread_only = true",
            "policy: `callers[0]`: it does not say whom it is for; give `kind`, `subject`",
        ),
        (
            "[[callers]]\nkind = 'user'\nprompts.deny = ['x']",
            "policy: `callers[0].prompts.deny`: there is no prompt `x`",
        ),
    ] {
        let rules: Rules = toml::from_str(file).unwrap();
        let error = server().policy(rules.clone()).build().unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        assert!(error.problems()[0].to_string().starts_with(problem), "{file}: {error}");
        let shared = server().policy(std::sync::Arc::new(rules)).build();
        assert_eq!(shared.unwrap_err(), error);
    }
    // All at once, and what a read-only server leaves out is no mistake.
    let rules = || toml::from_str::<Rules>("tools.deny = ['db_drop', 'a', 'b']").unwrap();
    assert_eq!(server().read_only().policy(rules()).build().unwrap_err().problems().len(), 2);
    assert!(server().policy(rules().names_may_come()).build().is_ok());
}

#[test]
fn scopes_are_granted_by_pattern_only_where_that_is_turned_on() {
    use ScopePatterns::{Exact, Prefix, Star};
    #[rustfmt::skip]
    let table = [
        // granted     needed      exact   star   prefix
        ("db:read",    "db:read",  true,   true,  true),
        ("db:read",    "db:reads", false,  false, false),
        ("db:*",       "db:read",  false,  false, true),
        ("db:*",       "db:",      false,  false, true),
        ("db:*",       "db",       false,  false, false),
        ("db:*",       "kv:read",  false,  false, false),
        ("d*:read",    "db:read",  false,  false, false),
        ("*",          "db:read",  false,  true,  true),
    ];
    for (granted, needed, exact, star, prefix) in table {
        for (patterns, expected) in [(Exact, exact), (Star, star), (Prefix, prefix)] {
            let (access, caller) = (Access::scope(needed), user("ada").with_scopes([granted]));
            let decision = Rules::new()
                .scope_patterns(patterns)
                .decide(&caller, &Action::new("tools/call", "x", None, &access));
            let denied = Decision::Deny(Denied::missing_scopes([needed]));
            assert_eq!(
                decision,
                if expected { Decision::Allow } else { denied },
                "{granted} {needed} {patterns:?}"
            );
        }
    }
}

/// The names of what a caller sees.
async fn seen(rules: Rules, caller: Principal) -> Vec<String> {
    let client = Client::with(server().policy(rules), Options::new().principal(caller)).await;
    let tools = client.list_tools().await.into_iter().map(|tool| tool["name"].clone());
    let resources = client.list_resources().await.into_iter().map(|resource| resource["uri"].clone());
    let prompts = client.list_prompts().await.into_iter().map(|prompt| prompt["name"].clone());
    tools.chain(resources).chain(prompts).map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_rule_leaves_out_what_it_says() {
    let all = ["db_drop", "db_read", "logs://today", "letter"];
    for (file, left) in [
        ("", &all[..]),
        ("read_only = true", &all[1..]),
        ("tools.allow = ['db_read']", &all[1..]),
        ("tools.allow = []", &all[2..]),
        ("tools.allow_tags = ['reading']", &all[1..]),
        ("tools = { allow = ['db_drop'], allow_tags = ['reading'] }", &all),
        // What is denied is denied, allowed or not.
        ("tools = { allow = ['db_drop', 'db_read'], deny = ['db_drop'] }", &all[1..]),
        ("tools = { allow = ['db_drop', 'db_read'], deny_tags = ['admin'] }", &all[1..]),
        ("name_patterns = true\ntools.deny = ['db_*']", &all[2..]),
        ("name_patterns = true\ntools.deny = ['*']\nresources.deny = ['logs://*']", &all[3..]),
        ("prompts.deny = ['letter']", &all[..3]),
        // Everybody for whom a section holds has less, and nobody else.
        ("[[callers]]\nkind = 'user'\ntools.allow = []", &all[2..]),
        ("[[callers]]\nkind = 'client'\ntools.allow = []", &all),
        ("[[callers]]\nkind = 'user'\nsubject = 'ada'\nread_only = true", &all[1..]),
        ("[[callers]]\nkind = 'user'\nsubject = 'eve'\nread_only = true", &all),
        ("[[callers]]\nscope = 'trial'\nread_only = true", &all[1..]),
        ("[[callers]]\ntenant = 'acme'\nread_only = true", &all[1..]),
        ("[[callers]]\nscope = 'trial'\ntenant = 'umbrella'\nread_only = true", &all),
        (
            "[[callers]]\nscope = 'trial'\nread_only = true\n[[callers]]\ntenant = 'acme'\nprompts.allow = []",
            &all[1..3],
        ),
    ] {
        let ada = user("ada").with_scopes(["trial"]).with_tenants(["acme"]);
        assert_eq!(seen(toml::from_str(file).unwrap(), ada).await, left, "{file}");
    }
    // To whom everything is granted, nothing was granted by the name of a trial.
    let trial = toml::from_str("[[callers]]\nscope = 'trial'\nread_only = true").unwrap();
    assert_eq!(seen(trial, Principal::local()).await, all);
}

#[tokio::test]
async fn who_need_not_be_asked_is_not() {
    let service = || Principal::new(PrincipalKind::Service, "backup");
    let confirm = ConfirmDestructive::new;
    for (file, confirm, caller, is_asked) in [
        ("", confirm(), user("ada"), true),
        ("", confirm().except_tool("db_drop"), user("ada"), false),
        ("", confirm().except_tool("db_read"), user("ada"), true),
        ("unasked.tools = ['db_drop']", confirm(), user("ada"), false),
        ("unasked.tools = ['db_read']", confirm(), user("ada"), true),
        ("unasked.callers = [{ kind = 'service' }]", confirm(), service(), false),
        ("unasked.callers = [{ kind = 'service' }]", confirm(), user("ada"), true),
        ("unasked.callers = [{ kind = 'user', subject = 'ada' }]", confirm(), user("ada"), false),
        ("unasked.callers = [{ kind = 'user', subject = 'ada' }]", confirm(), user("eve"), true),
        ("unasked.callers = [{ kind = 'service', subject = 'ada' }]", confirm(), user("ada"), true),
    ] {
        let server = server().policy(toml::from_str::<Rules>(file).unwrap()).confirm(confirm);
        let endpoint = server.build().unwrap();
        for revision in ERAS {
            let options = Options::new().principal(caller.clone()).revision(revision);
            let client = Client::with(&endpoint, options.answering(|asked| asked.decline())).await;
            assert_eq!(
                client.call("db_drop", json!({})).await.is_error(),
                is_asked,
                "{file} over {revision}"
            );
        }
    }
}

/// Two tools that are there for one tenant.
struct Branch;

impl Pack for Branch {
    fn add_to<S: Send + Sync + 'static>(self, server: Server<S>) -> Server<S> {
        let tool =
            |name: &str| tool_fn(name, Annotations::read_only(), async |_: Empty, _| Ok(Text::new("")));
        server.add(tool("open")).add(tool("close").scopes(["desk"]))
    }
}

#[tokio::test]
async fn a_pack_is_tagged_and_given_to_a_tenant_as_a_whole() {
    let options = |prefix: &str| PackOptions::new().prefix(prefix).tag("branch");
    let server = || {
        Server::new("test", "1")
            .pack(Branch, options("north_").requires(Access::tenant("north")))
            .pack(Branch, options("south_").requires(Access::tenant("south")))
    };
    let names = async |server: Server, caller: Principal| {
        let listed = Client::with(server, Options::new().principal(caller)).await.list_tools().await;
        assert!(listed.iter().all(|tool| !tool.to_string().contains("branch")), "{listed:?}");
        listed.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(server(), user("ada").with_tenants(["north"])).await, ["north_close", "north_open"]);
    assert_eq!(names(server(), user("ada")).await, Vec::<String>::new());
    let without =
        Rules::new().tools(Selection::only(["south_open"]).without_tagged("other")).names_may_come();
    assert_eq!(names(server().policy(without), Principal::local()).await, ["south_open"]);
    let without = Rules::new().tools(Selection::all().without_tagged("branch"));
    assert_eq!(names(server().policy(without), Principal::local()).await, Vec::<String>::new());
}
