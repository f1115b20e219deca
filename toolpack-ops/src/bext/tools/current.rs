//! What is there now, for tools that say beforehand what they would change.

use mcp_core::ToolError;

use super::error::tool_error;
use crate::bext::engine::{
    App, AppName, Domain, DomainName, Engines, InstanceId, ListApps, ListDomains, ListSecrets, PageSize,
    SecretInfo, SecretName, SecretsOf,
};

/// The app of that name; without a name, the instance's only one.
///
/// It fails as the tool itself would, so that nobody is asked to agree to what cannot be.
pub(super) async fn app_meant(
    engines: &Engines,
    instance: &InstanceId,
    name: Option<&AppName>,
) -> Result<App, ToolError> {
    let mut apps = all_apps(engines, instance).await?;
    let Some(name) = name else {
        return match apps.len() {
            1 => Ok(apps.remove(0)),
            0 => {
                Err(ToolError::new("app_not_found", "this instance has no app; add_app registers one")
                    .at("/app"))
            }
            count => {
                let names: Vec<&str> = apps.iter().take(10).map(|app| app.name.as_str()).collect();
                let message = format!(
                    "this instance has {count} apps, so say which one is meant, such as {}",
                    names.join(", ")
                );
                Err(ToolError::new("app_required", message).at("/app"))
            }
        };
    };
    match apps.iter().position(|app| app.name == *name) {
        Some(position) => Ok(apps.swap_remove(position)),
        None => {
            let known = apps.iter().map(|app| app.name.as_str());
            Err(ToolError::unknown("app_not_found", "app", name.as_str(), known).at("/app"))
        }
    }
}

pub(super) async fn all_apps(engines: &Engines, instance: &InstanceId) -> Result<Vec<App>, ToolError> {
    let engine = engines.apps().map_err(tool_error)?;
    let (mut apps, mut cursor) = (Vec::new(), None);
    loop {
        let options = ListApps::default().with_limit(PageSize::of::<200>()).with_cursor(cursor);
        let page = engine.list_apps(instance, options).await.map_err(tool_error)?;
        apps.extend(page.apps);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(apps);
        }
    }
}

/// Where a domain leads, or that it leads nowhere, or not to this app.
pub(super) async fn domain_meant(
    engines: &Engines,
    instance: &InstanceId,
    app: Option<&AppName>,
    domain: &DomainName,
) -> Result<Domain, ToolError> {
    let engine = engines.apps().map_err(tool_error)?;
    let (mut known, mut cursor) = (Vec::new(), None);
    loop {
        let options = ListDomains::default()
            .with_app(app.cloned())
            .with_limit(PageSize::of::<200>())
            .with_cursor(cursor);
        let page = engine.list_domains(instance, options).await.map_err(tool_error)?;
        if let Some(found) = page.domains.iter().find(|found| found.domain == *domain) {
            return Ok(found.clone());
        }
        known.extend(page.domains);
        cursor = page.next_cursor;
        if cursor.is_none() {
            let known = known.iter().map(|known| known.domain.as_str());
            return Err(
                ToolError::unknown("domain_not_found", "domain", domain.as_str(), known).at("/domain")
            );
        }
    }
}

/// The secret of that name, if there is one.
pub(super) async fn secret_meant(
    engines: &Engines,
    of: &SecretsOf,
    name: &SecretName,
) -> Result<Option<SecretInfo>, ToolError> {
    let engine = engines.secrets().map_err(tool_error)?;
    let mut cursor = None;
    loop {
        let options = ListSecrets::default().with_limit(PageSize::of::<200>()).with_cursor(cursor);
        let page = engine.list_secrets(of, options).await.map_err(tool_error)?;
        if let Some(found) = page.secrets.into_iter().find(|secret| secret.name == *name) {
            return Ok(Some(found));
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(None);
        }
    }
}
