//! The catalog: everything that is registered, as an immutable snapshot that is replaced as a whole.

mod pages;
mod templates;

use std::{collections::HashMap, sync::Arc};

pub(crate) use self::pages::{Audience, PageSettings, Pages, assemble, decode_cursor, encode};
use self::templates::Templates;
use crate::{
    build::Problem,
    entry::{Entry, EntryKind},
    hub::Changes,
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
    tools: HashMap<String, Arc<ToolEntry>>,
    prompts: HashMap<String, Arc<PromptEntry>>,
    resources: HashMap<String, Arc<ResourceEntry>>,
    templates: Templates,
}

impl Registry {
    /// Adds an entry, unless it collides with one that is there.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), Problem> {
        match entry.0 {
            EntryKind::Tool(tool) if self.is_read_only && !tool.definition.annotations.read_only => Ok(()),
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
        self.tools.retain(|_, tool| tool.definition.annotations.read_only);
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
    pages: Vec<(Revision, [Pages; 4])>,
    pub(crate) capabilities: ServerCapabilities,
}

impl Catalog {
    pub(crate) fn new(registry: Registry, settings: &PageSettings) -> Self {
        let mut tools: Vec<_> = registry.tools.values().collect();
        tools.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        let mut prompts: Vec<_> = registry.prompts.values().collect();
        prompts.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        let mut resources: Vec<_> = registry.resources.values().collect();
        resources.sort_by(|a, b| a.template.as_str().cmp(b.template.as_str()));
        // A list is paged by its keys, whatever the order in which templates are tried.
        let mut templates: Vec<_> = registry.templates.iter().collect();
        templates.sort_by(|a, b| a.template.as_str().cmp(b.template.as_str()));

        let pages = Revision::ALL.map(|revision| {
            let page = |list, items| Pages::new(list, revision, items, settings.clone());
            let lists = [
                page(
                    List::Tools,
                    tools
                        .iter()
                        .map(|tool| &tool.definition)
                        .map(|tool| (tool.name.clone(), shape::tool(tool, revision)))
                        .collect(),
                ),
                page(
                    List::Prompts,
                    prompts
                        .iter()
                        .map(|prompt| &prompt.definition)
                        .map(|prompt| {
                            (prompt.name.clone(), shape::definition(prompt, Kind::Prompt, revision))
                        })
                        .collect(),
                ),
                page(
                    List::Resources,
                    resources
                        .iter()
                        .map(|resource| (resource.template.to_string(), resource.definition()))
                        .map(|(uri, resource)| (uri, shape::definition(&resource, Kind::Resource, revision)))
                        .collect(),
                ),
                page(
                    List::Templates,
                    templates
                        .iter()
                        .map(|resource| (resource.template.to_string(), resource.template_definition()))
                        .map(|(uri, template)| (uri, shape::definition(&template, Kind::Resource, revision)))
                        .collect(),
                ),
            ];
            (revision, lists)
        });
        Self { capabilities: capabilities(&registry), registry, pages: pages.into() }
    }

    /// A copy of what is registered, to be edited.
    pub(crate) fn registry(&self) -> Registry {
        self.registry.clone()
    }

    pub(crate) fn tool(&self, name: &str) -> Option<&Arc<ToolEntry>> {
        self.registry.tools.get(name)
    }

    pub(crate) fn tool_names(&self) -> impl Iterator<Item = &String> {
        self.registry.tools.keys()
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

    /// The definitions of the fixed resources.
    pub(crate) fn fixed_resources(&self) -> impl Iterator<Item = ResourceDefinition> {
        self.registry.resources.values().map(|resource| resource.definition())
    }

    pub(crate) fn pages(&self, list: List, revision: Revision) -> &Pages {
        let position = self.pages.iter().position(|(known, _)| *known == revision).unwrap_or_default();
        &self.pages[position].1[list as usize]
    }

    /// Which lists differ between two catalogs.
    pub(crate) fn changes_to(&self, other: &Self) -> Changes {
        let differs = |list| {
            Revision::ALL
                .into_iter()
                .any(|revision| !self.pages(list, revision).same_as(other.pages(list, revision)))
        };
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
