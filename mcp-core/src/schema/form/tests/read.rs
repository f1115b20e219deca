//! What is read from a form that was filled in, and what the person is told.

use std::collections::BTreeSet;

use super::*;

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Visit {
    #[schemars(title = "Your name", length(min = 2), regex(pattern = "^[^0-9]*$"))]
    name: String,
    #[schemars(range(min = 18))]
    age: u8,
    #[schemars(extend("format" = "email"))]
    mail: Option<String>,
    #[serde(rename = "a/b ~c")]
    odd: Option<Code>,
    #[serde(default)]
    colors: BTreeSet<Plain>,
    #[schemars(extend("exclusiveMinimum" = 0))]
    ratio: Option<f64>,
    when: Option<Titled>,
    #[schemars(extend("format" = "uuid"))]
    key: Option<String>,
}

fn read<F: Input>(content: Value) -> Result<F, String> {
    let Value::Object(content) = content else { panic!("{content}") };
    FormSchema::of::<F>().unwrap().read(content)
}

#[test]
fn what_fits_is_read_with_a_few_kindnesses() {
    let mut visit = Visit {
        name: "Ada".to_owned(),
        age: 36,
        mail: None,
        odd: None,
        colors: BTreeSet::new(),
        ratio: None,
        when: None,
        key: None,
    };
    // Integral floats are integers, nulls of optional fields are nothing, and nobody asked for the rest.
    let content =
        json!({"name": "Ada", "age": 36.0, "mail": null, "colors": null, "other": [null], "x": null});
    assert_eq!(read(content).as_ref(), Ok(&visit));

    visit.mail = Some("ada@example.org".to_owned());
    visit.odd = Some(Code("AB".to_owned()));
    visit.colors = [Plain::Green, Plain::Red].into();
    visit.ratio = Some(2.0);
    visit.when = Some(Titled::Never);
    let content = json!({
        "name": "Ada", "age": 36, "mail": "ada@example.org", "a/b ~c": "AB", "colors": ["red", "green"],
        "ratio": 2, "when": "never",
    });
    assert_eq!(read(content), Ok(visit));
    assert_eq!(read(json!({})), Ok(Consent {}));
    assert_eq!(read(json!({"anything": 1})), Ok(Consent {}));
}

#[test]
fn what_does_not_fit_is_said_by_field_and_without_what_it_was() {
    let good = json!({"name": "Ada", "age": 36});
    for (wrong, expected) in [
        (json!({"name": null}), "Your name: must be of type string"),
        (json!({"name": "secret", "age": 7}), "age: must be at least 18"),
        (json!({"age": 36.5}), "age: must be of type integer"),
        (json!({"age": 4711}), "age: must be at most 255"),
        (json!({"name": "s"}), "Your name: must have at least 2 characters"),
        (json!({"name": "s3cret"}), "Your name: must match ^[^0-9]*$"),
        (json!({"mail": "secret"}), "mail: must be of the format email"),
        (json!({"key": "secret"}), "key: must be of the format uuid"),
        (json!({"ratio": 0}), "ratio: must be more than 0"),
        (json!({"a/b ~c": "secret"}), "a/b ~c: must match ^[A-Z]{2}$"),
        (json!({"a/b ~c": "XA"}), "codes that begin with X are reserved"),
        (json!({"when": "secret"}), r#"when: must be one of ["soon","later","never"]"#),
        (json!({"colors": ["secret", "red", "secrets"]}), r#"colors: must be one of ["red","green"]"#),
        (json!({"colors": ["red", "red"]}), "colors: must not have the same item twice"),
        (json!({"colors": "secret"}), "colors: must be of type array"),
        (json!({"mail": {"secret": [[[]]]}}), "mail: must be of type string"),
    ] {
        let mut content = good.clone();
        content.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        assert_eq!(read::<Visit>(content).unwrap_err(), expected, "{wrong}");
    }
    let why = read::<Visit>(json!({"age": 7})).unwrap_err();
    assert_eq!(why, "Your name: is required and missing; age: must be at least 18");
}

/// A client that validates against what is listed may let pass what we refuse, but never the other way round.
#[test]
fn what_is_listed_takes_whatever_is_read() {
    let form = FormSchema::of::<Visit>().unwrap();
    let listed = jsonschema::validator_for(&form.listed(Revision::V2026_07_28)).unwrap();
    let texts = || vec![json!("Ada"), json!("a@b.org"), json!("AB"), json!("soon"), json!("s3"), json!("")];
    let numbers = || vec![json!(0), json!(0.5), json!(18), json!(255), json!(256), json!(-1)];
    let lists = || vec![json!([]), json!(["red"]), json!(["red", "green"]), json!(["red", "red"])];
    let mut taken = 0;
    for value in [texts(), numbers(), lists(), vec![json!(true)]].concat() {
        for name in form.compiled.known() {
            let mut content = json!({"name": "Ada", "age": 18});
            content[name] = value.clone();
            if form.read::<Visit>(content.as_object().unwrap().clone()).is_ok() {
                assert!(listed.is_valid(&content), "{content}");
                taken += 1;
            }
        }
    }
    assert!(taken > 10, "{taken}");
}

#[test]
fn a_form_from_elsewhere_is_read_by_its_own_words() {
    let schema = json!({
        "type": "object",
        "properties": {
            "size": {"type": "integer", "minimum": 1, "title": "Size"},
            "cut": {"type": "string", "oneOf": [{"const": "s", "title": "Slim"}]},
        },
        "required": ["size"],
    });
    let form = FormSchema::from_value(schema).unwrap();
    let read =
        |content: Value| form.read::<JsonObject>(content.as_object().unwrap().clone()).map(Value::Object);
    assert_eq!(read(json!({"size": 2.0, "cut": null, "more": 1})), Ok(json!({"size": 2})));
    assert_eq!(read(json!({"size": 0, "cut": "s"})), Err("Size: must be at least 1".to_owned()));
    assert_eq!(read(json!({"size": 1, "cut": "x"})), Err(r#"cut: must be one of ["s"]"#.to_owned()));
}
