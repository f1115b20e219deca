//! `--in-process`: the engine in the very process that a client started, and no node.

use tokio::runtime::Builder;
use toolpack::stdio;

use crate::{
    Failure, NAME,
    args::{Args, HttpArgs},
    engine::{Engine, OpenError, make_directory},
    listening, log_to_stderr,
    node::{About, Record, StartLock},
    serving::{self, Callers},
    tell,
};

/// Serves standard input and output.
pub(crate) fn serve_stdio(args: &Args) -> Result<(), Failure> {
    log_to_stderr(args.start.verbose);
    // One thread: a single client's calls mostly wait for the engine, which has threads of its own. The runtime ends with
    // this: first the calls that were given up on, and with them their statements; what commits by then is waited for.
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (engine, _record) = open(args).await?;
        let endpoint =
            serving::endpoint(engine.engines.clone(), &args.start.data, args.flags, Callers::Told)?;
        let served = stdio::serve(endpoint).await;
        engine.close().await;
        Ok(served?)
    })
}

/// Serves HTTP.
pub(crate) fn serve_http(http: &HttpArgs, args: &Args) -> Result<(), Failure> {
    log_to_stderr(args.start.verbose);
    Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let (engine, _record) = open(args).await?;
        let data = &args.start.data;
        let endpoint = serving::endpoint(engine.engines.clone(), data, args.flags, Callers::Told)?;
        let listening = listening::listen(http, endpoint, data).await?;
        tell(&listening.said);
        let served = listening.server.run().await;
        engine.close().await;
        Ok(served?)
    })
}

/// The engine, and what tells others that it is here.
async fn open(args: &Args) -> Result<(Engine, Record), Failure> {
    let data = &args.start.data;
    let named = |error| format!("{}: {error}", data.display());
    make_directory(data).map_err(named)?;
    // A front that starts a node at this moment is let through first.
    let _starting = StartLock::wait_for(data).await.map_err(named)?;
    let engine = Engine::open(&args.start).await.map_err(|error| match error {
        OpenError::Held => {
            let holder = Record::read(data).map_or_else(String::new, |about| format!(" (pid {})", about.pid));
            format!(
                "{}: another process{holder} has this directory, so the engine cannot be in this one; without \
                 --in-process its node is shared, and `{NAME} node stop` ends that",
                data.display()
            )
            .into()
        }
        OpenError::Failed(error) => error,
    })?;
    let record = Record::write(data, &About::of_this_process(&args.start, true)).map_err(named)?;
    Ok((engine, record))
}
