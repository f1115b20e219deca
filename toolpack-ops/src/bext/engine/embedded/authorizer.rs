//! What a statement may do, asked by SQLite itself while it compiles the statement.
//!
//! Everything is denied that is not named here. It works on what SQLite has understood, so no spelling gets around it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::hooks::{Action, AuthAction, AuthContext, Authorization};

use super::place::Access;

/// Pragmas that only describe the schema; reached as tables, `SELECT * FROM pragma_table_info('t')`.
const PRAGMAS: [&str; 7] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
];

/// Tables of SQLite's own that show pages, memory or programs rather than the app's data.
const HIDDEN_TABLES: [&str; 8] = [
    "dbstat",
    "sqlite_dbdata",
    "sqlite_dbpage",
    "sqlite_dbptr",
    "sqlite_memstat",
    "sqlite_stmt",
    "bytecode",
    "tables_used",
];

/// Functions that load code or reach files; most are not in this build, and stay out should they ever be.
const FUNCTIONS: [&str; 7] =
    ["load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "fsdir", "sqlite_dbpage"];

/// What is temporary would stay on the connection, where the next caller finds it.
const TEMPORARY: &str = "what is TEMPORARY";

/// What the hooks of one connection and the statement that runs on it tell each other.
#[derive(Debug, Default)]
pub(super) struct Watch {
    // Only the caller's statement is judged; BEGIN, COMMIT and pragmas of our own are not.
    armed: AtomicBool,
    inserted: AtomicBool,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    denied: Option<String>,
    insert_into: Option<String>,
}

impl Watch {
    /// From now until the guard is dropped, statements are the caller's.
    pub(super) fn arm(self: &Arc<Self>) -> Armed {
        *self.notes() = Notes::default();
        self.inserted.store(false, Ordering::SeqCst);
        self.armed.store(true, Ordering::SeqCst);
        Armed(self.clone())
    }

    /// What was denied to the last caller's statement, if anything was.
    pub(super) fn take_denied(&self) -> Option<String> {
        self.notes().denied.take()
    }

    /// Whether the caller's statement itself, and not a trigger, has inserted a row that has a rowid.
    pub(super) fn inserted(&self) -> bool {
        self.inserted.load(Ordering::SeqCst)
    }

    pub(super) fn authorize(&self, context: AuthContext<'_>, access: Access) -> Authorization {
        if !self.armed.load(Ordering::SeqCst) {
            return Authorization::Allow;
        }
        if let (AuthAction::Insert { table_name }, None) = (context.action, context.accessor) {
            self.notes().insert_into.get_or_insert_with(|| table_name.to_owned());
        }
        match judge(context.action, context.database_name, access) {
            Ok(()) => Authorization::Allow,
            Err(denied) => {
                self.notes().denied.get_or_insert(denied);
                Authorization::Deny
            }
        }
    }

    pub(super) fn updated(&self, action: Action, table: &str) {
        if action == Action::SQLITE_INSERT
            && !self.inserted()
            && self.notes().insert_into.as_deref() == Some(table)
        {
            self.inserted.store(true, Ordering::SeqCst);
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        // Each field is set in one step, so a panic elsewhere leaves them good.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, the authorizer judges.
#[derive(Debug)]
pub(super) struct Armed(Arc<Watch>);

impl Drop for Armed {
    fn drop(&mut self) {
        self.0.armed.store(false, Ordering::SeqCst);
    }
}

/// Allowed, or in words what is not.
fn judge(action: AuthAction<'_>, database: Option<&str>, access: Access) -> Result<(), String> {
    use AuthAction as A;

    let known = |list: &[&str], name: &str| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    match action {
        A::Select | A::Recursive => Ok(()),
        A::Read { table_name, .. } => {
            let pragma = table_name.get(..7).filter(|start| start.eq_ignore_ascii_case("pragma_"));
            let hidden_pragma = pragma.is_some() && !known(&PRAGMAS, &table_name[7..]);
            if hidden_pragma || known(&HIDDEN_TABLES, table_name) {
                Err(format!("reading {table_name}"))
            } else {
                Ok(())
            }
        }
        A::Function { function_name } if known(&FUNCTIONS, function_name) => {
            Err(format!("the function {function_name}"))
        }
        A::Function { .. } => Ok(()),
        A::Pragma { pragma_name, .. } if known(&PRAGMAS, pragma_name) => Ok(()),
        A::Pragma { pragma_name, .. } => Err(format!("PRAGMA {pragma_name}")),
        A::Attach { .. } => Err("ATTACH".to_owned()),
        A::Detach { .. } => Err("DETACH".to_owned()),
        A::Transaction { .. } | A::Savepoint { .. } => Err("a transaction of one's own".to_owned()),
        // What is written to sqlite_schema here is SQLite's own doing within CREATE and ALTER; a statement that names
        // it is refused by SQLite, as writable_schema is off and cannot be turned on.
        A::Insert { .. }
        | A::Update { .. }
        | A::Delete { .. }
        | A::CreateTable { .. }
        | A::CreateIndex { .. }
        | A::CreateView { .. }
        | A::CreateTrigger { .. }
        | A::AlterTable { .. }
        | A::Analyze { .. }
        | A::Reindex { .. } => match access {
            Access::Read => Err("writing through db_query".to_owned()),
            // So is what `CREATE TABLE temp.x` does. Renaming looks for mentions in the temporary schema, too, and
            // updates none, as it is always empty.
            Access::Write if database == Some("temp") && !matches!(action, A::Update { .. }) => {
                Err(TEMPORARY.to_owned())
            }
            Access::Write => Ok(()),
        },
        A::CreateTempTable { .. }
        | A::CreateTempIndex { .. }
        | A::CreateTempView { .. }
        | A::CreateTempTrigger { .. } => Err(TEMPORARY.to_owned()),
        A::CreateVtable { module_name, .. } => Err(format!("a virtual table ({module_name})")),
        A::DropTable { .. }
        | A::DropIndex { .. }
        | A::DropView { .. }
        | A::DropTrigger { .. }
        | A::DropVtable { .. }
        | A::DropTempTable { .. }
        | A::DropTempIndex { .. }
        | A::DropTempView { .. }
        | A::DropTempTrigger { .. } => Err("DROP".to_owned()),
        _ => Err("this".to_owned()),
    }
}
