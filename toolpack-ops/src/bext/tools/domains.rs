//! `list_domains`, `add_domain` and `remove_domain`: which names lead to which app.

use mcp_core::{About, Annotations, Call, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::current::domain_meant;
use super::error::tool_error;
use super::progress::with_progress;
use crate::bext::engine::{self, AppName, AppRef, Cursor, Domain, DomainName, Engines, InstanceId, PageSize};
use crate::bext::scopes;

/// Lists the domains of an instance, ordered, each with the app that it leads to.
///
/// A request is led by its host: an exact domain goes before a wildcard. `NAME.localhost` leads to each app besides and
/// is not listed. While there is a `next_cursor` there are more: call again with it as `cursor` and the same `app`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ListDomains {
    /// Instance whose domains are meant, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// Only the domains of this app, such as `shop`; those of all apps when absent.
    pub app: Option<AppName>,
    /// How many domains this page has at most: 1 to 200, 100 by default.
    #[serde(default)]
    pub limit: PageSize<200>,
    /// `next_cursor` of the page before, unchanged; the first page when absent.
    pub cursor: Option<Cursor>,
}

/// One page of domains.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DomainList {
    /// The domains, ordered; empty if there are none.
    pub domains: Vec<ListedDomain>,
    /// How many domains are on this page.
    pub count: usize,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

/// A domain and where it leads.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ListedDomain {
    /// The domain, in lower case, with `xn--` labels for what is not ASCII.
    pub domain: DomainName,
    /// The name of the app that it leads to.
    pub app: AppName,
    /// Whether it stands for every name of one label before it, as `*.example.com` does.
    pub is_wildcard: bool,
    /// Whether the instance's gateway is reached with TLS, as its address says; absent if it has no address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
}

impl Tool<Engines> for ListDomains {
    const NAME: &'static str = "list_domains";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::READ];
    type Output = DomainList;

    fn about(about: About) -> About {
        about.title("List domains")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<DomainList, ToolError> {
        let options =
            engine::ListDomains::default().with_app(self.app).with_limit(self.limit).with_cursor(self.cursor);
        let instance = engines.instances.resolve(&self.instance_id).await.map_err(tool_error)?;
        let tls = instance.url.map(|url| url.as_str().starts_with("https://"));
        let page =
            with_progress(call, engines.apps().map_err(tool_error)?.list_domains(&self.instance_id, options))
                .await?;
        let listed = |Domain { domain, app, is_wildcard }| ListedDomain { domain, app, is_wildcard, tls };
        let domains: Vec<ListedDomain> = page.domains.into_iter().map(listed).collect();
        Ok(DomainList { count: domains.len(), domains, next_cursor: page.next_cursor })
    }
}

/// Leads a domain to an app, at once if the app is deployed.
///
/// It concerns the instance's gateway only: that the name resolves to the machine is a matter of DNS. A domain that leads
/// to another app of the instance is refused; remove_domain takes it from there.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AddDomain {
    /// Instance that the app is on, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App that the domain is to lead to, as `list_apps` has it, such as `shop`.
    pub app: AppName,
    /// Host name without scheme, port or path, with one dot at least, such as `shop.example.com`; `*.example.com` stands
    /// for every name of one label before it. Names of other scripts are kept in their ASCII form.
    pub domain: DomainName,
}

/// A domain leads to an app.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DomainAdded {
    /// The domain as it is kept: in lower case and in ASCII.
    pub domain: DomainName,
    /// The name of the app that it leads to.
    pub app: AppName,
    /// Always true: what cannot be added is an error.
    pub added: bool,
}

impl Tool<Engines> for AddDomain {
    const NAME: &'static str = "add_domain";
    const ANNOTATIONS: Annotations = Annotations::write().idempotent();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = DomainAdded;

    fn about(about: About) -> About {
        about.title("Add a domain")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<DomainAdded, ToolError> {
        let app = AppRef::new(self.instance_id, self.app);
        with_progress(call, engines.apps().map_err(tool_error)?.add_domain(&app, &self.domain)).await?;
        Ok(DomainAdded { domain: self.domain, app: app.app, added: true })
    }
}

/// Takes a domain from the app that it leads to: requests for it are answered with 404 then.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RemoveDomain {
    /// Instance that the domain is of, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// Domain to remove, as `list_domains` has it, such as `shop.example.com`.
    pub domain: DomainName,
    /// Only if it leads to this app, such as `shop`; whichever app it leads to when absent.
    pub app: Option<AppName>,
}

/// A domain was removed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DomainRemoved {
    /// The domain that leads nowhere now.
    pub domain: DomainName,
    /// Always true: what cannot be removed is an error.
    pub removed: bool,
}

impl Tool<Engines> for RemoveDomain {
    const NAME: &'static str = "remove_domain";
    const ANNOTATIONS: Annotations = Annotations::destructive().idempotent();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = DomainRemoved;

    fn about(about: About) -> About {
        about.title("Remove a domain")
    }

    async fn preview(&self, engines: &Engines, _: &Call) -> Result<Option<String>, ToolError> {
        let found = domain_meant(engines, &self.instance_id, self.app.as_ref(), &self.domain).await?;
        Ok(Some(format!(
            "This takes the domain {} from the app {} on {}; requests for it are answered with 404 then.",
            found.domain, found.app, self.instance_id
        )))
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<DomainRemoved, ToolError> {
        let apps = engines.apps().map_err(tool_error)?;
        let work = apps.remove_domain(&self.instance_id, self.app.as_ref(), &self.domain);
        with_progress(call, work).await?;
        Ok(DomainRemoved { domain: self.domain, removed: true })
    }
}
