//! A destructive write within a tenant: who may, who is asked, and what is kept on record.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use mcp_core::{
    Access, Action, Annotations, Audit, AuditEntry, ByGrants, Call, ConfirmDestructive, Decision, Denied,
    Policy, Principal, PrincipalKind, Recording, Revision, Server, Tool, ToolError,
    testing::{Client, Options},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The tenants of a platform, each with the services that run for it.
#[derive(Clone, Debug, Default)]
struct Platform(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Platform {
    fn services_of(&self, tenant: &str) -> Result<Vec<String>, ToolError> {
        let tenants = self.0.lock().unwrap();
        tenants.get(tenant).cloned().ok_or_else(|| {
            ToolError::new("tenant_not_found", format!("There is no tenant `{tenant}`")).at("/tenant")
        })
    }

    fn delete(&self, tenant: &str) -> Option<Vec<String>> {
        self.0.lock().unwrap().remove(tenant)
    }
}

/// Deletes a tenant with every service that runs for it. This cannot be undone.
#[derive(Deserialize, JsonSchema)]
struct DeleteTenant {
    /// Tenant to delete, such as `acme`.
    tenant: String,
}

/// What is gone.
#[derive(Serialize, JsonSchema)]
struct DeletedTenant {
    /// The tenant.
    tenant: String,
    /// The services that ran for it, in the order of their names.
    services: Vec<String>,
}

impl Tool<Platform> for DeleteTenant {
    const NAME: &'static str = "mctl_delete_tenant";
    const ANNOTATIONS: Annotations = Annotations::destructive();
    const SCOPES: &'static [&'static str] = &["mctl:write"];
    type Output = DeletedTenant;

    fn access(&self) -> Access {
        Access::tenant(&self.tenant)
    }

    async fn preview(&self, platform: &Platform, _: &Call) -> Result<Option<String>, ToolError> {
        let services = platform.services_of(&self.tenant)?.join(", ");
        Ok(Some(format!("Delete the tenant {} and its services for good: {services}.", self.tenant)))
    }

    async fn call(self, platform: &Platform, _: &Call) -> Result<DeletedTenant, ToolError> {
        let services = platform.delete(&self.tenant);
        let services =
            services.ok_or_else(|| ToolError::new("tenant_not_found", "It was deleted meanwhile"))?;
        Ok(DeletedTenant { tenant: self.tenant, services })
    }
}

/// A trail of what was decided, agreed to and done.
#[derive(Clone, Debug, Default)]
struct Trail(Arc<Mutex<Vec<String>>>);

impl Audit for Trail {
    fn record(&self, entry: &AuditEntry<'_>) -> Recording {
        let tenants: Vec<_> = entry.action.access.tenants().collect();
        let line =
            format!("{} {} {tenants:?}: {:?}", entry.principal.subject(), entry.action.name, entry.event);
        self.0.lock().unwrap().push(line);
        Recording::Done
    }
}

impl Trail {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A platform with two tenants, its server, and the trail of it.
fn platform() -> (Platform, Server<Platform>, Trail) {
    let platform = Platform::default();
    let services = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    platform.0.lock().unwrap().insert("acme".into(), services(&["shop", "mail"]));
    platform.0.lock().unwrap().insert("umbrella".into(), services(&["lab"]));
    let trail = Trail::default();
    let server = Server::new("mctl", "1.0.0")
        .policy(ByGrants::new().without_asking(PrincipalKind::Service))
        .confirm(ConfirmDestructive::new())
        .audit(trail.clone())
        .over(platform.clone())
        .tool::<DeleteTenant>();
    (platform, server, trail)
}

fn ada() -> Principal {
    Principal::new(PrincipalKind::User, "ada").with_scopes(["mctl:write"]).with_tenants(["acme", "gone"])
}

const ERAS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];

#[tokio::test]
async fn the_person_agrees_to_exactly_what_will_happen() {
    for revision in ERAS {
        let (platform, server, trail) = platform();
        let agreeing = Options::new().revision(revision).principal(ada()).answering(|asked| {
            let preview = "Delete the tenant acme and its services for good: shop, mail.";
            assert_eq!(asked.message(), format!("{preview}\n\nAllow `mctl_delete_tenant`?"));
            asked.accept(json!({}))
        });
        let client = Client::with(server, agreeing).await;
        let reply = client.call("mctl_delete_tenant", json!({"tenant": "acme"})).await;
        assert_eq!(reply.structured(), &json!({"tenant": "acme", "services": ["shop", "mail"]}));
        assert_eq!(platform.0.lock().unwrap().keys().collect::<Vec<_>>(), ["umbrella"]);
        assert_eq!(
            trail.take(),
            [
                r#"ada mctl_delete_tenant ["acme"]: AsksForConsent"#,
                r#"ada mctl_delete_tenant ["acme"]: Begins(Given)"#,
                r#"ada mctl_delete_tenant ["acme"]: Ended(Completed)"#,
            ]
        );
    }
}

#[tokio::test]
async fn nothing_happens_where_the_person_says_no() {
    for revision in ERAS {
        let (platform, server, trail) = platform();
        let declining = Options::new().revision(revision).principal(ada()).answering(|asked| asked.decline());
        let client = Client::with(server, declining).await;
        let refused = client.call("mctl_delete_tenant", json!({"tenant": "acme"})).await;
        assert_eq!(refused.error_code(), "declined");
        assert_eq!(platform.0.lock().unwrap().len(), 2);
        let last = trail.take().pop();
        assert_eq!(last.as_deref(), Some(r#"ada mctl_delete_tenant ["acme"]: NotConfirmed(Declined)"#));
    }
}

#[tokio::test]
async fn a_tenant_of_others_is_refused_whether_it_exists_or_not_and_nobody_is_asked() {
    let (platform, server, trail) = platform();
    let endpoint = server.build().unwrap();
    for revision in ERAS {
        let options = Options::new()
            .revision(revision)
            .principal(ada())
            .answering(|asked| panic!("asked: {}", asked.message()));
        let client = Client::with(&endpoint, options).await;
        for tenant in ["umbrella", "nobody"] {
            let arguments = json!({"name": "mctl_delete_tenant", "arguments": {"tenant": tenant}});
            let refused = client.request("tools/call", arguments).await;
            let message = format!("Forbidden: you have no access to the tenant `{tenant}`");
            assert_eq!(refused.error(), &json!({"code": 403, "message": message}));
            let line = trail.take().pop().unwrap();
            assert!(line.starts_with(&format!("ada mctl_delete_tenant [\"{tenant}\"]: Denied(")), "{line}");
        }
    }
    assert_eq!(platform.0.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_missing_scope_is_named_before_the_arguments_are_looked_at() {
    let (_, server, _) = platform();
    let reader = ada().with_scopes(["mctl:read"]);
    let client = Client::with(server, Options::new().principal(reader)).await;
    let refused = client.request("tools/call", json!({"name": "mctl_delete_tenant"})).await;
    assert_eq!(refused.error()["code"], 403);
    assert_eq!(refused.error()["data"], json!({"requiredScopes": ["mctl:write"]}));
}

#[tokio::test]
async fn a_service_that_policy_lets_through_is_not_asked() {
    for revision in ERAS {
        let (platform, server, trail) = platform();
        let janitor =
            Principal::new(PrincipalKind::Service, "janitor").with_scopes(["mctl:write"]).with_every_tenant();
        let client = Client::with(server, Options::new().revision(revision).principal(janitor)).await;
        assert!(!client.call("mctl_delete_tenant", json!({"tenant": "umbrella"})).await.is_error());
        assert_eq!(platform.0.lock().unwrap().len(), 1);
        assert_eq!(trail.take()[0], r#"janitor mctl_delete_tenant ["umbrella"]: Begins(Waived)"#);
    }
}

#[tokio::test]
async fn a_client_that_cannot_ask_cannot_delete() {
    let (platform, server, _) = platform();
    let endpoint = server.build().unwrap();
    let modern = Client::with(&endpoint, Options::new().principal(ada())).await;
    let call = json!({"name": "mctl_delete_tenant", "arguments": {"tenant": "acme"}});
    assert_eq!(modern.request("tools/call", call).await.error()["code"], -32021);
    let session = Options::new().revision(Revision::V2025_11_25).principal(ada());
    let session = Client::with(&endpoint, session).await;
    let refused = session.call("mctl_delete_tenant", json!({"tenant": "acme"})).await;
    assert_eq!(refused.error_code(), "client_cannot_answer");
    assert_eq!(platform.0.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn nobody_is_asked_in_vain() {
    let (_, server, _) = platform();
    let options = Options::new().principal(ada()).answering(|asked| panic!("asked: {}", asked.message()));
    let client = Client::with(server, options).await;
    let refused = client.call("mctl_delete_tenant", json!({"tenant": "gone"})).await;
    assert_eq!(
        (refused.error_code().as_str(), refused.error_pointer().as_str()),
        ("tenant_not_found", "/tenant")
    );
}

#[tokio::test]
async fn what_has_changed_since_it_was_agreed_to_is_asked_anew() {
    for revision in ERAS {
        let (platform, server, _) = platform();
        let changing = platform.clone();
        let options = Options::new().revision(revision).principal(ada()).answering(move |asked| {
            let mut tenants = changing.0.lock().unwrap();
            let services = tenants.get_mut("acme").unwrap();
            if services.len() == 2 {
                services.push("new".to_owned());
            } else {
                assert!(asked.message().contains("shop, mail, new"), "{}", asked.message());
            }
            asked.accept(json!({}))
        });
        let client = Client::with(server, options).await;
        let reply = client.call("mctl_delete_tenant", json!({"tenant": "acme"})).await;
        assert_eq!(reply.structured()["services"], json!(["shop", "mail", "new"]));
    }
}

/// A policy that lets everybody do everything until it is told otherwise.
#[derive(Clone, Debug, Default)]
struct UntilRevoked(Arc<AtomicBool>);

impl Policy for UntilRevoked {
    fn decide(&self, _: &Principal, _: &Action<'_>) -> Decision {
        match self.0.load(Ordering::Relaxed) {
            true => Decision::Deny(Denied::because("Forbidden: you left us")),
            false => Decision::Allow,
        }
    }
}

#[tokio::test]
async fn who_loses_the_right_while_they_are_asked_does_nothing() {
    for revision in ERAS {
        let (platform, server, _) = platform();
        let policy = UntilRevoked::default();
        let revoking = policy.clone();
        let options = Options::new().revision(revision).principal(ada()).answering(move |asked| {
            revoking.0.store(true, Ordering::Relaxed);
            asked.accept(json!({}))
        });
        let client = Client::with(server.policy(policy), options).await;
        let call = json!({"name": "mctl_delete_tenant", "arguments": {"tenant": "acme"}});
        assert_eq!(client.request("tools/call", call).await.error()["message"], "Forbidden: you left us");
        assert_eq!(platform.0.lock().unwrap().len(), 2);
    }
}
