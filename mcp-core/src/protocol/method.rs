//! The names of methods and notifications.

/// Defines constants for the names, so that each is spelled once.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*
    };
}

names! {
    /// What the server is and can do (2026-07-28).
    DISCOVER = "server/discover";
    /// Opens a session (up to 2025-11-25).
    INITIALIZE = "initialize";
    /// Are you there? (up to 2025-11-25)
    PING = "ping";
    /// Lists tools.
    TOOLS_LIST = "tools/list";
    /// Calls a tool.
    TOOLS_CALL = "tools/call";
    /// Lists resources.
    RESOURCES_LIST = "resources/list";
    /// Lists resource templates.
    TEMPLATES_LIST = "resources/templates/list";
    /// Reads a resource.
    RESOURCES_READ = "resources/read";
    /// Asks to be told when a resource changes (up to 2025-11-25).
    RESOURCES_SUBSCRIBE = "resources/subscribe";
    /// Takes that back (up to 2025-11-25).
    RESOURCES_UNSUBSCRIBE = "resources/unsubscribe";
    /// Lists prompts.
    PROMPTS_LIST = "prompts/list";
    /// Fills in a prompt.
    PROMPTS_GET = "prompts/get";
    /// Completes an argument of a prompt or a template.
    COMPLETE = "completion/complete";
    /// Sets the least severe log level of the session (up to 2025-11-25).
    SET_LEVEL = "logging/setLevel";
    /// Opens a stream of change notifications (2026-07-28).
    LISTEN = "subscriptions/listen";

    /// Asks the person in front of the client (a request of the server's).
    ELICITATION_CREATE = "elicitation/create";
    /// Asks the client's model (a request of the server's).
    SAMPLING_CREATE = "sampling/createMessage";
    /// Asks for the client's root folders (a request of the server's).
    ROOTS_LIST = "roots/list";

    /// The client has taken in the answer to `initialize`.
    INITIALIZED = "notifications/initialized";
    /// A request, or a subscription, is over before its answer.
    CANCELLED = "notifications/cancelled";
    /// How far a request has come.
    PROGRESS = "notifications/progress";
    /// A log message.
    MESSAGE = "notifications/message";
    /// The list of tools changed.
    TOOLS_CHANGED = "notifications/tools/list_changed";
    /// The list of prompts changed.
    PROMPTS_CHANGED = "notifications/prompts/list_changed";
    /// The list of resources changed.
    RESOURCES_CHANGED = "notifications/resources/list_changed";
    /// A resource changed.
    RESOURCE_UPDATED = "notifications/resources/updated";
    /// A subscription is open.
    ACKNOWLEDGED = "notifications/subscriptions/acknowledged";
}

/// Whether a request of this name is served in any era.
pub(crate) fn is_known(name: &str) -> bool {
    const REQUESTS: [&str; 15] = [
        DISCOVER,
        INITIALIZE,
        PING,
        TOOLS_LIST,
        TOOLS_CALL,
        RESOURCES_LIST,
        TEMPLATES_LIST,
        RESOURCES_READ,
        RESOURCES_SUBSCRIBE,
        RESOURCES_UNSUBSCRIBE,
        PROMPTS_LIST,
        PROMPTS_GET,
        COMPLETE,
        SET_LEVEL,
        LISTEN,
    ];
    REQUESTS.contains(&name)
}
