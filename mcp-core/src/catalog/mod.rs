//! The catalog: everything that is registered, as an immutable snapshot that is replaced as a whole.

mod pages;
mod shelf;
mod templates;

use std::{collections::HashMap, sync::Arc};

pub(crate) use self::{
    pages::{Audience, PageSettings, Pages, assemble, decode_cursor, encode},
    shelf::Shown,
};
use self::{
    shelf::{Listed, Shelf},
    templates::Templates,
};
use crate::{
    build::Problem,
    entry::{Entry, EntryKind},
    guards::Guarded,
    hub::Changes,
    policy::{Action, Policy, Registered},
    prompt::PromptEntry,
    protocol::{
        capabilities::{Flags, ServerCapabilities},
        definition::ResourceDefinition,
        revision::Revision,
        shape::{self, Kind},
        uri_template::Variables,
    },
    resource::ResourceEntry,
    tool::ToolEntry,
};

/// One of the lists a client can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    /// The member of the result that holds it.
    pub(crate) const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }
}

/// What is registered, without anything made from it: the part that is edited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    /// Tools that change something are left out.
    is_read_only: bool,
    /// The names of those that were.
    left_out: Vec<String>,
    tools: HashMap<String, Arc<ToolEntry>>,
    prompts: HashMap<String, Arc<PromptEntry>>,
    resources: HashMap<String, Arc<ResourceEntry>>,
    templates: Templates,
}

impl Registry {
    /// Adds an entry, unless it collides with one that is there.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), Problem> {
        match entry.0 {
            EntryKind::Tool(tool) if self.is_read_only && !tool.definition.annotations.read_only => {
                self.left_out.push(tool.definition.name);
                Ok(())
            }
            EntryKind::Tool(tool) => {
                let name = tool.definition.name.clone();
                let label = |tool: &ToolEntry| tool.definition.description.clone();
                insert(&mut self.tools, name, Arc::from(tool), ("tool", RENAME), label)
            }
            EntryKind::Prompt(prompt) => {
                let name = prompt.definition.name.clone();
                let label = |prompt: &PromptEntry| prompt.definition.description.clone();
                insert(&mut self.prompts, name, Arc::from(prompt), ("prompt", RENAME), label)
            }
            EntryKind::Resource(resource) if resource.template.is_fixed() => {
                let uri = resource.template.as_str().to_owned();
                let label = |resource: &ResourceEntry| Some(resource.definition().name);
                insert(&mut self.resources, uri, Arc::from(resource), ("resource", LEAVE_OUT), label)
            }
            EntryKind::Resource(resource) => self.templates.add(Arc::from(resource)),
        }
    }

    /// Leaves out every tool that changes something, also of those that are added later.
    pub(crate) fn read_only(&mut self) {
        self.is_read_only = true;
        let changing = self.tools.extract_if(|_, tool| !tool.definition.annotations.read_only);
        self.left_out.extend(changing.map(|(name, _)| name));
    }

    /// The names of all that is there, for the policy.
    pub(crate) fn names(&self) -> Registered<'_> {
        let resources =
            || self.resources.values().chain(self.templates.iter()).map(|resource| resource.guarded());
        let entries = self.tools.values().map(|tool| tool.guarded());
        let entries = entries.chain(self.prompts.values().map(|prompt| prompt.guarded())).chain(resources());
        let mut tags: Vec<&str> = entries.flat_map(|guarded| &guarded.tags).map(String::as_str).collect();
        tags.sort_unstable();
        tags.dedup();
        Registered {
            tools: self.tools.keys().chain(&self.left_out).map(String::as_str).collect(),
            resources: resources().map(|guarded| guarded.name.as_str()).collect(),
            prompts: self.prompts.keys().map(String::as_str).collect(),
            tags,
        }
    }

    pub(crate) fn remove_tool(&mut self, name: &str) -> bool {
        self.tools.remove(name).is_some()
    }

    pub(crate) fn remove_prompt(&mut self, name: &str) -> bool {
        self.prompts.remove(name).is_some()
    }

    pub(crate) fn remove_resource(&mut self, uri: &str) -> bool {
        self.resources.remove(uri).is_some() || self.templates.remove(uri)
    }
}

/// What to do about two of one name.
const RENAME: &str = "rename one of them, or take in the pack that it comes from with `PackOptions::prefix`";
/// What to do about two of one URI, which has no prefix.
const LEAVE_OUT: &str = "leave one of them out, as with `PackOptions::without`";

/// Adds an entry under its name; `label` tells it from another of the same name.
fn insert<T>(
    map: &mut HashMap<String, Arc<T>>,
    name: String,
    entry: Arc<T>,
    (what, remedy): (&str, &str),
    label: impl Fn(&T) -> Option<String>,
) -> Result<(), Problem> {
    if let Some(known) = map.get(&name) {
        let label = |entry| {
            label(entry).map_or_else(|| "one without a description".to_owned(), |text| format!("{text:?}"))
        };
        let why = format!("there are two of this name: {} and {}; {remedy}", label(known), label(&entry));
        return Err(Problem::new(format!("{what} `{name}`"), why));
    }
    map.insert(name, entry);
    Ok(())
}

/// The registry with everything made from it: what calls look things up in.
#[derive(Debug)]
pub(crate) struct Catalog {
    registry: Registry,
    /// By [`List`].
    shelves: [Shelf; 4],
    pub(crate) capabilities: ServerCapabilities,
}

impl Catalog {
    pub(crate) fn new(registry: Registry, settings: &PageSettings, policy: &dyn Policy) -> Self {
        let mut tools: Vec<_> = registry.tools.values().collect();
        tools.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        let mut prompts: Vec<_> = registry.prompts.values().collect();
        prompts.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        let mut resources: Vec<_> = registry.resources.values().collect();
        resources.sort_by(|a, b| a.template.as_str().cmp(b.template.as_str()));
        // A list is paged by its keys, whatever the order in which templates are tried.
        let mut templates: Vec<_> = registry.templates.iter().collect();
        templates.sort_by(|a, b| a.template.as_str().cmp(b.template.as_str()));

        // Each list as what a policy is asked about its items, and how each is written in a revision.
        let shelf = |list, listed: Vec<Listed>, write: &dyn Fn(usize, Revision) -> Vec<u8>| {
            let items = |revision| {
                let item = |(index, listed): (usize, &Listed)| {
                    Arc::new((listed.guarded.name.clone(), write(index, revision)))
                };
                listed.iter().enumerate().map(item).collect()
            };
            let items = Revision::ALL.into_iter().map(|revision| (revision, items(revision))).collect();
            Shelf::new(list, settings, policy, listed, items)
        };
        let known = |guarded: &Arc<Guarded>| Listed {
            guarded: Arc::clone(guarded),
            access: guarded.requires.clone(),
        };
        // There is only one of its kind, so all that it touches is known.
        let fixed = |resource: &&Arc<ResourceEntry>| Listed {
            guarded: Arc::clone(resource.guarded()),
            access: resource.access(Variables::new()),
        };
        let shelves = [
            shelf(
                List::Tools,
                tools.iter().map(|tool| known(tool.guarded())).collect(),
                &|index, revision| shape::tool(&tools[index].definition, revision),
            ),
            shelf(
                List::Prompts,
                prompts.iter().map(|prompt| known(prompt.guarded())).collect(),
                &|index, revision| shape::definition(&prompts[index].definition, Kind::Prompt, revision),
            ),
            shelf(List::Resources, resources.iter().map(fixed).collect(), &|index, revision| {
                shape::definition(&resources[index].definition(), Kind::Resource, revision)
            }),
            shelf(
                List::Templates,
                templates.iter().map(|template| known(template.guarded())).collect(),
                &|index, revision| {
                    shape::definition(&templates[index].template_definition(), Kind::Resource, revision)
                },
            ),
        ];
        Self { capabilities: capabilities(&registry), registry, shelves }
    }

    /// A copy of what is registered, to be edited.
    pub(crate) fn registry(&self) -> Registry {
        self.registry.clone()
    }

    pub(crate) fn tool(&self, name: &str) -> Option<&Arc<ToolEntry>> {
        self.registry.tools.get(name)
    }

    /// Which items of a list a caller sees, by what is said of each; `None` for all of them.
    pub(crate) fn shown(&self, list: List, shows: impl Fn(&Action<'_>) -> bool) -> Option<Shown> {
        self.shelf(list).shown(shows)
    }

    /// The names of the tools that a caller sees.
    pub(crate) fn tool_names<'a>(&'a self, shown: Option<&'a Shown>) -> impl Iterator<Item = &'a String> {
        self.shelf(List::Tools).names(shown)
    }

    /// The pages of a list, for those who see these items and no others.
    pub(crate) fn pages(&self, list: List, revision: Revision, shown: Option<&Shown>) -> Arc<Pages> {
        self.shelf(list).pages(revision, shown)
    }

    pub(crate) fn page_settings(&self) -> &PageSettings {
        self.shelf(List::Resources).settings()
    }

    fn shelf(&self, list: List) -> &Shelf {
        &self.shelves[list as usize]
    }

    pub(crate) fn prompt(&self, name: &str) -> Option<&Arc<PromptEntry>> {
        self.registry.prompts.get(name)
    }

    /// The fixed resource of this URI, or the narrowest template that it matches, with the variables.
    pub(crate) fn resource(&self, uri: &str) -> Option<(&Arc<ResourceEntry>, Variables)> {
        if let Some(resource) = self.registry.resources.get(uri) {
            return Some((resource, Vec::new()));
        }
        self.templates().find_map(|resource| Some((resource, resource.template.match_uri(uri)?)))
    }

    /// The template that is written so.
    pub(crate) fn template(&self, text: &str) -> Option<&Arc<ResourceEntry>> {
        self.templates().find(|resource| resource.template.as_str() == text)
    }

    pub(crate) fn has_templates(&self) -> bool {
        !self.registry.templates.is_empty()
    }

    /// The templates, narrower ones before wider ones.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Arc<ResourceEntry>> {
        self.registry.templates.iter()
    }

    /// The definitions of the fixed resources that a caller sees.
    pub(crate) fn fixed_resources<'a>(
        &'a self,
        shown: Option<&'a Shown>,
    ) -> impl Iterator<Item = ResourceDefinition> + 'a {
        let uris = self.shelf(List::Resources).names(shown);
        uris.filter_map(|uri| self.registry.resources.get(uri)).map(|resource| resource.definition())
    }

    /// Which lists differ between two catalogs.
    pub(crate) fn changes_to(&self, other: &Self) -> Changes {
        let differs = |list| !self.shelf(list).same_as(other.shelf(list));
        Changes {
            tools: differs(List::Tools),
            prompts: differs(List::Prompts),
            resources: differs(List::Resources) || differs(List::Templates),
        }
    }
}

/// What the server can do, from what is registered.
fn capabilities(registry: &Registry) -> ServerCapabilities {
    let has_resources = !registry.resources.is_empty() || !registry.templates.is_empty();
    let has_prompts = !registry.prompts.is_empty();
    let changing = Flags { list_changed: true, subscribe: false };
    ServerCapabilities {
        logging: Some(Flags::default()),
        completions: (has_prompts || !registry.templates.is_empty()).then(Flags::default),
        prompts: has_prompts.then_some(changing),
        resources: has_resources.then_some(Flags { subscribe: true, ..changing }),
        tools: Some(changing),
    }
}
