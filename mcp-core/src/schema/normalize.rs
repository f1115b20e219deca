//! Small kindnesses to arguments before they are validated: what means the same is made the same.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::{Number, Value};

use crate::protocol::JsonObject;

/// What there is to do to the arguments of one schema.
///
/// `null` for an optional property means absent, and is taken out; a float without a fraction where an integer is
/// wanted (`3.0`, which JSON Schema calls an integer and serde does not) becomes one.
#[derive(Debug)]
pub(super) struct Normalizer {
    root: Step,
    /// What recursive types refer to, by the text of the reference.
    definitions: BTreeMap<String, Step>,
}

/// What there is to do at one place of a schema. Choices are merged, so that no value is looked at twice.
#[derive(Debug, Default, PartialEq)]
struct Step {
    /// Make an integral float an integer.
    is_integer: bool,
    object: Option<Box<ObjectStep>>,
    items: Option<Box<ItemsStep>>,
    /// Go on as at another place.
    reference: Option<String>,
}

#[derive(Debug, Default, PartialEq)]
struct ObjectStep {
    /// Every named property, and whether `null` for it means absent.
    nullable: BTreeMap<String, bool>,
    properties: BTreeMap<String, Step>,
    others: Option<Step>,
}

#[derive(Debug, Default, PartialEq)]
struct ItemsStep {
    first: Vec<Step>,
    rest: Step,
}

impl Normalizer {
    /// What there is to do for a schema; `None` for nothing.
    pub(super) fn of(schema: &JsonObject) -> Option<Self> {
        let no_definitions = JsonObject::new();
        let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&no_definitions);
        let schemas = Schemas { root: schema, definitions };
        let root = schemas.step(schema);
        let step = |(name, definition): (&String, &Value)| {
            Some((format!("{DEFINITIONS}{name}"), schemas.step(definition.as_object()?)))
        };
        (root != Step::default())
            .then(|| Self { root, definitions: definitions.iter().filter_map(step).collect() })
    }

    /// Does it to arguments.
    pub(super) fn apply(&self, arguments: &mut JsonObject) {
        if let Some(step) = &self.root.object {
            self.apply_to_object(step, arguments);
        }
    }

    fn apply_to_value(&self, step: &Step, value: &mut Value) {
        let step = self.resolve(step);
        match value {
            Value::Number(number) if step.is_integer => make_integral(number),
            Value::Array(values) => {
                let Some(items) = &step.items else { return };
                for (index, value) in values.iter_mut().enumerate() {
                    self.apply_to_value(items.first.get(index).unwrap_or(&items.rest), value);
                }
            }
            Value::Object(object) => {
                if let Some(step) = &step.object {
                    self.apply_to_object(step, object);
                }
            }
            _ => {}
        }
    }

    fn apply_to_object(&self, step: &ObjectStep, object: &mut JsonObject) {
        if object.values().any(Value::is_null) {
            object.retain(|name, value| !value.is_null() || step.nullable.get(name) != Some(&true));
        }
        for (name, value) in object.iter_mut() {
            if let Some(child) = step.properties.get(name).or(step.others.as_ref()) {
                self.apply_to_value(child, value);
            }
        }
    }

    /// Follows a reference; one that leads to a further reference says nothing that serde could read.
    fn resolve<'a>(&'a self, step: &'a Step) -> &'a Step {
        match step.reference.as_deref() {
            None => step,
            Some(ROOT) => &self.root,
            Some(name) => self.definitions.get(name).unwrap_or(step),
        }
    }
}

const ROOT: &str = "#";
const DEFINITIONS: &str = "#/$defs/";

/// A schema with the definitions that its references name.
struct Schemas<'a> {
    root: &'a JsonObject,
    definitions: &'a JsonObject,
}

impl Schemas<'_> {
    fn step(&self, schema: &JsonObject) -> Step {
        let mut step = self.own_step(schema);
        for branch in branches(schema) {
            let Some(branch) = branch.as_object() else { continue };
            let mut branch = self.step(branch);
            // Beside other choices a recursive one is left alone: looking at a value for each of them would double
            // at every level.
            branch.reference = None;
            step.merge(branch);
        }
        step
    }

    /// What the schema says apart from its choices.
    fn own_step(&self, schema: &JsonObject) -> Step {
        let child = |schema: &Value| schema.as_object().map(|schema| self.step(schema)).unwrap_or_default();
        let mut step = Step {
            is_integer: has_type(schema, "integer"),
            reference: schema.get("$ref").and_then(Value::as_str).map(str::to_owned),
            ..Step::default()
        };
        let first = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let items = ItemsStep {
            first: first.iter().map(child).collect(),
            rest: schema.get("items").map(child).unwrap_or_default(),
        };
        if items.rest != Step::default() || items.first.iter().any(|step| *step != Step::default()) {
            step.items = Some(Box::new(items));
        }
        let others = schema.get("additionalProperties").map(child).filter(|step| *step != Step::default());
        let mut object = ObjectStep { others, ..ObjectStep::default() };
        if let Some(Value::Object(properties)) = schema.get("properties") {
            let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            for (name, property) in properties {
                let is_optional = !required.iter().any(|required| required == name);
                object.nullable.insert(name.clone(), is_optional && !self.accepts_null(property, 0));
                let step = child(property);
                if step != Step::default() {
                    object.properties.insert(name.clone(), step);
                }
            }
        }
        if object.others.is_some() || !object.properties.is_empty() || object.nullable.values().any(|is| *is)
        {
            step.object = Some(Box::new(object));
        }
        step
    }

    /// Whether `null` is a value of its own there, as far as can be told.
    fn accepts_null(&self, schema: &Value, hops: usize) -> bool {
        const MAX_HOPS: usize = 16;
        let Some(schema) = schema.as_object() else { return true };
        if hops > MAX_HOPS {
            return true;
        }
        if schema.contains_key("type") {
            return has_type(schema, "null");
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return values.iter().any(Value::is_null);
        }
        if let Some(constant) = schema.get("const") {
            return constant.is_null();
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = match reference.strip_prefix(DEFINITIONS) {
                Some(name) => self.definitions.get(name).and_then(Value::as_object),
                None => (reference == ROOT).then_some(self.root),
            };
            return target.is_none_or(|target| match target.get("type") {
                Some(_) => has_type(target, "null"),
                None => self.accepts_null(&Value::Object(target.clone()), hops + 1),
            });
        }
        let mut branches = branches(schema).peekable();
        branches.peek().is_none() || branches.any(|branch| self.accepts_null(branch, hops + 1))
    }
}

impl Step {
    /// Adds what there is to do in another choice.
    fn merge(&mut self, other: Self) {
        self.is_integer |= other.is_integer;
        self.reference = self.reference.take().or(other.reference);
        self.object = match (self.object.take(), other.object) {
            (Some(mut own), Some(other)) => {
                own.merge(*other);
                Some(own)
            }
            (own, other) => own.or(other),
        };
        self.items = match (self.items.take(), other.items) {
            (Some(mut own), Some(other)) => {
                own.merge(*other);
                Some(own)
            }
            (own, other) => own.or(other),
        };
    }

    /// The same for the same place of another choice; recursion is followed only where both agree.
    fn merge_child(&mut self, other: Self) {
        if *self != other {
            self.reference = None;
            self.merge(Self { reference: None, ..other });
        }
    }
}

impl ObjectStep {
    fn merge(&mut self, other: Self) {
        for (name, is_nullable) in other.nullable {
            let own = self.nullable.entry(name).or_insert(is_nullable);
            *own &= is_nullable;
        }
        for (name, step) in other.properties {
            match self.properties.entry(name) {
                Entry::Occupied(mut own) => own.get_mut().merge_child(step),
                Entry::Vacant(slot) => _ = slot.insert(step),
            }
        }
        self.others = match (self.others.take(), other.others) {
            (Some(mut own), Some(other)) => {
                own.merge_child(other);
                Some(own)
            }
            (own, other) => own.or(other),
        };
    }
}

impl ItemsStep {
    fn merge(&mut self, other: Self) {
        for (index, step) in other.first.into_iter().enumerate() {
            match self.first.get_mut(index) {
                Some(own) => own.merge_child(step),
                None => self.first.push(step),
            }
        }
        self.rest.merge_child(other.rest);
    }
}

/// The parts of a choice.
fn branches(schema: &JsonObject) -> impl Iterator<Item = &Value> {
    ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_array()).flatten()
}

fn has_type(schema: &JsonObject, wanted: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == wanted,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    }
}

/// Makes an integer of a float that is one.
pub(crate) fn make_integral(number: &mut Number) {
    // The ends of `i64` and `u64`, both of which a float holds exactly; the upper ends are just outside.
    const LEAST: f64 = -9_223_372_036_854_775_808.0;
    const BEYOND_SIGNED: f64 = 9_223_372_036_854_775_808.0;
    const BEYOND_UNSIGNED: f64 = 18_446_744_073_709_551_616.0;
    let Some(float) = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0) else { return };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range by the patterns")]
    if (LEAST..BEYOND_SIGNED).contains(&float) {
        *number = Number::from(float as i64);
    } else if (BEYOND_SIGNED..BEYOND_UNSIGNED).contains(&float) {
        *number = Number::from(float as u64);
    }
}
