//! What a schema accepts, serde accepts, and the other way round.

use jsonschema::Validator;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use toolpack_ops::bext::engine::{
    AppName, Cursor, DomainName, InstanceId, InstanceUrl, Key, KeyPrefix, KeyValueText, PageSize, Param,
    Percent, SecretName, SuiteName, Ttl, Version,
};

fn agree<T: DeserializeOwned + JsonSchema>() {
    let schema = SchemaGenerator::default().into_root_schema_for::<T>();
    let schema = schema.to_value();
    assert!(schema.get("$ref").is_none() && schema.get("$defs").is_none(), "{schema}");
    let validator: Validator = jsonschema::validator_for(&schema).unwrap();
    let mut accepted = 0;
    for value in values() {
        let by_schema = validator.is_valid(&value);
        let by_serde = serde_json::from_value::<T>(value.clone()).is_ok();
        assert_eq!(by_schema, by_serde, "{}: {}", T::schema_name(), shown(&value));
        accepted += usize::from(by_serde);
    }
    // A type that takes everything or nothing would agree too.
    assert!(accepted > 0 && accepted < values().len(), "{}", T::schema_name());
}

fn values() -> Vec<Value> {
    let mut values = vec![json!(null), json!(true), json!([]), json!({}), json!(["a"]), json!({ "a": 1 })];
    for text in
        ["", "a", "local", "A", "a-b_c9", "a b", "a/b", "..", "ä", "a\n", "\n", "\0", "日本", "\u{10ffff}"]
    {
        values.push(json!(text));
    }
    for text in
        ["http://a", "https://[::1]:80/", "http://a/b/%20", "HTTP://a", "http:/a", "http://", "http:///"]
    {
        values.push(json!(text));
    }
    for text in ["http://u:p@a", "http://a/b?c=d", "http://a#b", "http://ä", "http://a\n", "http://a/ b"] {
        values.push(json!(text));
    }
    values.extend([2041, 2042].map(|length| json!(format!("http://{}", "a".repeat(length)))));
    for text in
        ["1.2.4", "v1.2.4-rc.1+b", "a/b", "1..2", "-1", "1-", "1.2 ", "A_1", "1A", "A-B", "A\n", "rou_ting"]
    {
        values.push(json!(text));
    }
    for text in [
        "a.b",
        "*.a.b",
        "Ä.example",
        "例え。テスト",
        "a..b",
        ".a.b",
        "a.b.",
        "-a.b",
        "a-.b",
        "a_b.c",
        "*.*.a",
        "a.b:80",
    ] {
        values.push(json!(text));
    }
    values.extend([63, 64].map(|length| json!(format!("{}.b", "a".repeat(length)))));
    values.extend([124, 125].map(|labels| json!(format!("{}a.bc", "a.".repeat(labels)))));
    for length in [63, 64, 65, 127, 128, 129, 511, 512, 513, 4096, 4097, 1_048_576, 1_048_577] {
        values.push(json!("a".repeat(length)));
        values.push(json!("é".repeat(length)));
    }
    let edges = [1, 99, 100, 200, 1000, Ttl::MAX_SECONDS];
    values.extend([
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(i64::MAX),
        json!(0.5),
        json!(-1e300),
    ]);
    for edge in edges {
        values.extend([json!(edge), json!(edge + 1)]);
    }
    values
}

fn shown(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

#[test]
fn schemas_and_parsers_agree() {
    agree::<InstanceId>();
    agree::<InstanceUrl>();
    agree::<AppName>();
    agree::<Key>();
    agree::<KeyPrefix>();
    agree::<KeyValueText>();
    agree::<Ttl>();
    agree::<Cursor>();
    agree::<Param>();
    agree::<Version>();
    agree::<Percent>();
    agree::<SecretName>();
    agree::<SuiteName>();
    agree::<PageSize<200>>();
    agree::<PageSize<1000>>();
}

/// What IDNA takes for a name no pattern says, so the schema of a domain lets in a little more than its type.
#[test]
fn the_schema_of_a_domain_refuses_no_domain() {
    let schema = SchemaGenerator::default().into_root_schema_for::<DomainName>().to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (mut taken, mut said) = (0, 0);
    for value in values() {
        let by_type = serde_json::from_value::<DomainName>(value.clone()).is_ok();
        let by_schema = validator.is_valid(&value);
        assert!(by_schema || !by_type, "{} is refused", shown(&value));
        taken += usize::from(by_type);
        said += usize::from(!by_schema);
    }
    assert!(taken > 5 && said > 5, "{taken} {said}");
}
