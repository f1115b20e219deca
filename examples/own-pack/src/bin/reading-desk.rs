//! The reading list and bext's keys and values as one server, on standard input and output.

use std::{error::Error, path::PathBuf};

use own_pack::desk::Desk;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("usage: reading-desk FOLDER")?.into();
    toolpack::stdio::serve(Desk::open(&folder).await?.server()).await?;
    Ok(())
}
