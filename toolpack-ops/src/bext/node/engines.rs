//! What the node hands on to its rooms: the data of apps, secrets, configurations.

use async_trait::async_trait;

use super::Node;
use super::hosted::{Hosted, app_not_found};
use super::store::{AppsTable, Fault, blocking};
use crate::bext::engine::{
    AppRef, Changes, ConfigChange, ConfigText, Configs, Database, Deleted, Entry, InstanceId, Key, KeyPage,
    KeyValue, ListKeys, ListSecrets, Rows, SecretName, SecretPage, SecretValue, Secrets, SecretsOf, SetKey,
    Statement, Written,
};
use crate::error::Error;

#[async_trait]
impl Database for Node {
    async fn query(&self, app: &AppRef, statement: Statement) -> Result<Rows, Error> {
        let _turn = self.shared.tasks.enter()?;
        self.shared.data.query(app, statement).await
    }

    async fn execute(&self, app: &AppRef, statement: Statement) -> Result<Changes, Error> {
        let _turn = self.shared.tasks.enter()?;
        self.shared.data.execute(app, statement).await
    }
}

#[async_trait]
impl KeyValue for Node {
    async fn get(&self, app: &AppRef, key: &Key) -> Result<Option<Entry>, Error> {
        let _turn = self.shared.tasks.enter()?;
        self.shared.data.get(app, key).await
    }

    async fn set(&self, app: &AppRef, key: &Key, options: SetKey) -> Result<Written, Error> {
        let _turn = self.shared.tasks.enter()?;
        self.shared.data.set(app, key, options).await
    }

    async fn delete(&self, app: &AppRef, key: &Key) -> Result<Deleted, Error> {
        let _turn = self.shared.tasks.enter()?;
        self.shared.data.delete(app, key).await
    }

    async fn list(&self, app: &AppRef, options: ListKeys) -> Result<KeyPage, Error> {
        let _turn = self.shared.tasks.enter()?;
        KeyValue::list(&self.shared.data, app, options).await
    }
}

#[async_trait]
impl Secrets for Node {
    async fn list_secrets(&self, of: &SecretsOf, options: ListSecrets) -> Result<SecretPage, Error> {
        let hosted = self.hosted(&of.instance).await?;
        let listed = hosted.secrets_of(of, move |secrets, app| secrets.list(app, &options)).await;
        listed.map_err(|error| error.at("list_secrets", shown(of)))
    }

    async fn set_secret(&self, of: &SecretsOf, name: &SecretName, value: SecretValue) -> Result<(), Error> {
        let hosted = self.hosted(&of.instance).await?;
        let (name, now) = (name.clone(), hosted.now());
        let set = hosted.secrets_of(of, move |secrets, app| secrets.set(app, &name, &value, now)).await;
        set.map_err(|error| error.at("set_secret", shown(of)))
    }

    async fn delete_secret(&self, of: &SecretsOf, name: &SecretName) -> Result<bool, Error> {
        let hosted = self.hosted(&of.instance).await?;
        let name = name.clone();
        let deleted = hosted.secrets_of(of, move |secrets, app| secrets.delete(app, &name)).await;
        deleted.map_err(|error| error.at("delete_secret", shown(of)))
    }
}

impl Hosted {
    /// Works with the secrets of an app that is there, and stays there meanwhile, or with those of the instance.
    async fn secrets_of<T: Send + 'static>(
        &self,
        of: &SecretsOf,
        work: impl FnOnce(&super::secrets::SecretStore, Option<&crate::bext::engine::AppName>) -> Result<T, Error>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let (turn, app, secrets) = (self.tasks.enter()?, of.app.clone(), self.secrets.clone());
        let done = self.store.read(move |connection| {
            let _turn = turn;
            if let Some(app) = &app
                && AppsTable(connection).get(app)?.is_none()
            {
                return Err(app_not_found(app, &AppsTable(connection).names()?).into());
            }
            work(&secrets, app.as_ref()).map_err(Fault::from)
        });
        done.await
    }
}

#[async_trait]
impl Configs for Node {
    async fn read_config(&self, instance: &InstanceId) -> Result<ConfigText, Error> {
        let config = self.hosted(instance).await?.config.clone();
        let shown = blocking(move || Ok(config.shown()?)).await;
        shown.map_err(|error| error.at("read_config", instance))
    }

    async fn reload_config(&self, instance: &InstanceId) -> Result<ConfigChange, Error> {
        let hosted = self.hosted(instance).await?;
        let turn = hosted.tasks.enter()?;
        let (config, in_effect) = (hosted.config.clone(), hosted.clone());
        // In turn with all other changes, so that of two that follow each other the later one is in effect.
        let reloaded = hosted.store.write_then(
            move |_| Ok(config.reload()?),
            move |(config, change)| {
                let _turn = turn;
                in_effect.traffic.set_settings(config.gateway);
                change
            },
        );
        let mut change = reloaded.await.map_err(|error| error.at("reload_config", instance))?;
        match hosted.listens_elsewhere().await {
            Ok(None) => {}
            Ok(Some((wanted, bound))) => {
                change.needs_restart.push("listen".to_owned());
                change.warnings.push(format!(
                    "listen in instances.toml is {wanted}, and the gateway stays at {bound} until the node is started \
                     again"
                ));
            }
            // The configuration is in effect all the same.
            Err(error) => {
                change.warnings.push(format!("where the gateway is to listen is not known: {error}"))
            }
        }
        Ok(change)
    }
}

fn shown(of: &SecretsOf) -> String {
    match &of.app {
        Some(app) => format!("{}/{app}", of.instance),
        None => of.instance.to_string(),
    }
}
