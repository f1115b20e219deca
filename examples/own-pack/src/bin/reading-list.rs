//! The reading list for an assistant that starts it as its child: MCP on standard input and output.

use std::{error::Error, path::PathBuf};

use own_pack::{Reading, pack};
use toolpack::{ConfirmDestructive, PackOptions, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("usage: reading-list FOLDER")?.into();
    let server = Server::new("reading-list", env!("CARGO_PKG_VERSION"))
        .confirm(ConfirmDestructive::new())
        .pack(pack(Reading::open(&folder)?), PackOptions::new());
    toolpack::stdio::serve(server).await?;
    Ok(())
}
