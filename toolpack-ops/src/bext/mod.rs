//! The pack for bext: instances, and the data of their apps.
//!
//! ```
//! use std::sync::Arc;
//!
//! use toolpack_ops::bext::engine::embedded::{Embedded, EmbeddedConfig};
//! use toolpack_ops::bext::engine::{AppName, AppRef, Database, Param, Statement};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! let database: Arc<dyn Database> = Arc::new(Embedded::open(directory, EmbeddedConfig::default()).await?);
//! let app = AppRef::new("local".parse()?, AppName::default());
//! database.execute(&app, Statement::new("CREATE TABLE users (name TEXT)")).await?;
//!
//! let insert = Statement::new("INSERT INTO users VALUES (?1)").with_params(vec![Param::Text("Ada".into())]);
//! assert_eq!(database.execute(&app, insert).await?.changes, 1);
//!
//! let error = database.query(&app, Statement::new("SELECT * FROM user")).await.unwrap_err();
//! assert_eq!(error.message(), "no such table: user");
//! # Ok(())
//! # }
//! ```

pub mod engine;
