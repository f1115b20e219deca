//! What a tool's schema accepts, its type accepts, and the other way round.

use mcp_core::Tool;
use mcp_core::schema::input_schema;
use serde_json::{Value, json};
use toolpack_ops::bext::engine::Engines;
use toolpack_ops::bext::tools::{
    AddApp, AddDomain, DbExecute, DbQuery, DeleteSecret, Deploy, DeployHistory, FleetDeploy, InstanceHealth,
    InstanceOverview, KvDelete, KvGet, KvList, KvSet, ListApps, ListDomains, ListInstances, ListSecrets,
    PromoteCanary, ReadConfig, ReloadConfig, RemoveApp, RemoveDomain, Rollback, RunConformance, SetSecret,
};

/// Puts each of many values into each argument, and leaves each out.
fn agree<T: Tool<Engines>>(good: &Value) {
    let schema = input_schema::<T>();
    let validator = jsonschema::validator_for(&json!(schema)).unwrap();
    let mut verdicts = [0, 0];
    let mut check = |value: Value| {
        let by_schema = validator.is_valid(&value);
        let by_type = serde_json::from_value::<T>(value.clone()).is_ok();
        let shown: String = value.to_string().chars().take(160).collect();
        // No pattern that a person could read says that no part of a path may be `..`, or what IDNA takes for a name, so
        // there the type may say more.
        let differs = |name| value.get(name).is_some_and(|argument| argument != &good[name]);
        let says_more = differs("source") || differs("domain") || differs("domains");
        assert!(by_schema == by_type || by_schema && says_more, "{}: {shown}", T::NAME);
        verdicts[usize::from(by_type)] += 1;
    };
    check(good.clone());
    for name in schema["properties"].as_object().unwrap().keys() {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(name);
        check(without);
        for value in values() {
            let mut with = good.clone();
            with[name] = value;
            check(with);
        }
    }
    assert!(verdicts[0] > 5 && verdicts[1] > 5, "{}: {verdicts:?}", T::NAME);
}

// Without null and 2.0: the one is taken out of optional arguments before they are looked at, the other made 2.
fn values() -> Vec<Value> {
    let mut values = vec![json!(true), json!({}), json!([]), json!([1, "a", null, true, 0.5]), json!([[1]])];
    values.extend([0, 1, -1, 100, 200, 201, 1000, 1001].map(|number: i64| json!(number)));
    values.extend([
        json!(0.5),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(3_153_600_000_u64),
        json!(3_153_600_001_u64),
    ]);
    values.extend(["", "a", "local", "A b", "ä", "\0", "../x"].map(|text| json!(text)));
    values
        .extend(["1.2.4", "1..2", "1A", "A_1", "static", "process", "a.b", "*.a.b"].map(|text| json!(text)));
    values.extend([json!(["a"]), json!(["a", "a"]), json!(["a.b"]), json!(["a.b", "-.b"])]);
    values.push((0..=100).map(|number| json!(number.to_string())).collect());
    values.extend([64, 65, 512, 513, 4096, 4097].map(|length| json!("é".repeat(length))));
    values.extend([64, 65, 1_048_576, 1_048_577].map(|length| json!("a".repeat(length))));
    values
}

#[test]
fn schemas_and_types_agree() {
    let good = json!({ "instance_id": "local", "app": "shop" });
    let with = |more: Value| {
        let mut all = good.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let page = json!({ "limit": 5, "cursor": "abc" });
    let instance = json!({ "instance_id": "local" });
    agree::<Deploy>(&with(json!({ "version": "1.2.4", "canary_percent": 10 })));
    agree::<Rollback>(&with(json!({ "version": "v1.2.4" })));
    agree::<PromoteCanary>(&good);
    agree::<FleetDeploy>(&json!({ "instance_ids": ["a", "b"], "app": "shop", "version": "54c5c1e5" }));
    agree::<DeployHistory>(&with(page.clone()));
    agree::<InstanceOverview>(&instance);
    agree::<InstanceHealth>(&instance);
    agree::<ListApps>(&json!({ "instance_id": "local", "limit": 5, "cursor": "abc" }));
    agree::<AddApp>(&json!({
        "instance_id": "local",
        "name": "shop",
        "source": "/srv/shop",
        "domains": ["shop.example.com"],
        "runtime": "static",
    }));
    agree::<RemoveApp>(&good);
    agree::<ListDomains>(&with(page.clone()));
    agree::<AddDomain>(&with(json!({ "domain": "shop.example.com" })));
    agree::<RemoveDomain>(&with(json!({ "domain": "*.example.com" })));
    agree::<ListSecrets>(&with(page));
    agree::<SetSecret>(&with(json!({ "name": "DATABASE_URL", "value": "s3cret" })));
    agree::<DeleteSecret>(&with(json!({ "name": "DATABASE_URL" })));
    agree::<ReadConfig>(&instance);
    agree::<ReloadConfig>(&instance);
    agree::<RunConformance>(&json!({ "instance_id": "local", "suite": "routing" }));
    agree::<ListInstances>(&json!({ "limit": 5, "cursor": "abc" }));
    agree::<DbQuery>(&with(json!({ "sql": "SELECT 1", "params": [] })));
    agree::<DbExecute>(&with(json!({ "sql": "SELECT 1", "params": [] })));
    agree::<KvGet>(&with(json!({ "key": "k" })));
    agree::<KvSet>(&with(json!({ "key": "k", "value": "v", "ttl": 60 })));
    agree::<KvDelete>(&with(json!({ "key": "k" })));
    agree::<KvList>(&with(json!({ "prefix": "a", "limit": 5, "cursor": "abc" })));
}
