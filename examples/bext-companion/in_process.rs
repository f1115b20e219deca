//! `--in-process`: the engine in the very process that a client started, and no node.

use tokio::runtime::Builder;
use toolpack::stdio;

use crate::{
    Failure, NAME,
    args::{Args, HttpArgs},
    engine::{Engine, OpenError, make_directory, too_open},
    listening, log_to_stderr,
    node::{About, Record, StartLock},
    serving::{self, Callers},
    tell,
};

/// Serves standard input and output.
pub(crate) fn serve_stdio(args: &Args) -> Result<(), Failure> {
    log_to_stderr(args.start.verbose);
    // What the engine runs has a thread for each core. A single client's calls mostly wait for it, so they share this one.
    let many = Builder::new_multi_thread().enable_all().build()?;
    let (engine, _record) = many.block_on(open(args))?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let served = async {
            let engines = engine.engines.clone();
            let endpoint = serving::endpoint(engines, &args.start.data, args.flags, Callers::Told)?;
            Ok(stdio::serve(endpoint).await?)
        };
        let served = served.await;
        engine.close().await;
        served
    })
}

/// Serves HTTP.
pub(crate) fn serve_http(http: &HttpArgs, args: &Args) -> Result<(), Failure> {
    log_to_stderr(args.start.verbose);
    Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let (engine, _record) = open(args).await?;
        let served = async {
            let (engines, data) = (engine.engines.clone(), &args.start.data);
            let endpoint = serving::endpoint(engines, data, args.flags, Callers::Told)?;
            let listening = listening::listen(http, endpoint, data).await?;
            let of_keys = match http.no_auth {
                true => String::new(),
                false => listening::said_of_keys(&listening.server.url(), data).await?,
            };
            tell(&format!("{of_keys}{}", listening.said));
            Ok(listening.server.run().await?)
        };
        let served = served.await;
        engine.close().await;
        served
    })
}

/// The engine, and what tells others that it is here.
async fn open(args: &Args) -> Result<(Engine, Record), Failure> {
    let data = &args.start.data;
    let named = |error| format!("{}: {error}", data.display());
    make_directory(data).map_err(named)?;
    if let Some(warning) = too_open(data) {
        tell(&warning);
    }
    // A front that starts a node at this moment is let through first.
    let _starting = StartLock::wait_for(data).await.map_err(named)?;
    let engine = Engine::open(&args.start).await.map_err(|error| match error {
        OpenError::Held => {
            let holder = Record::of_holder(data).map_or_else(String::new, |about| format!(" (pid {})", about.pid));
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
