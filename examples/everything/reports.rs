//! Tools that say how far they are while they run: progress, log messages, a question on the way, and work that takes its
//! time.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use toolpack::{Annotations, Call, Form, LogLevel, Server, Text, Tool, ToolError};

/// How long the tools pause between two reports.
const PAUSE: Duration = Duration::from_millis(50);

/// Registers the tools of this file.
pub(crate) fn add_to(server: Server) -> Server {
    let server = server.tool::<WithProgress>().tool::<WithLogging>().tool::<Logging>().tool::<Streaming>();
    server.over(SlowCalls::default()).tool::<Slow>().tool::<SlowEnded>().over(())
}

/// Reports progress three times: 0, 50 and 100 of 100.
#[derive(Deserialize, JsonSchema)]
struct WithProgress {}

impl Tool for WithProgress {
    const NAME: &'static str = "test_tool_with_progress";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        call.progress(0.0, Some(100.0), "");
        sleep(PAUSE).await;
        call.progress(50.0, Some(100.0), "");
        sleep(PAUSE).await;
        call.progress(100.0, Some(100.0), "");
        // Some clients forget a call's token when they see its answer, before they look at what came just before it.
        sleep(PAUSE).await;
        Ok(Text::new("Progress was reported three times, to whoever wanted it."))
    }
}

/// Sends three log messages at level info.
#[derive(Deserialize, JsonSchema)]
struct WithLogging {}

impl Tool for WithLogging {
    const NAME: &'static str = "test_tool_with_logging";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        call.log(LogLevel::Info, "everything", "Tool execution started");
        sleep(PAUSE).await;
        call.log(LogLevel::Info, "everything", "Tool processing data");
        sleep(PAUSE).await;
        call.log(LogLevel::Info, "everything", "Tool execution completed");
        Ok(Text::new("Three messages were logged, for whoever asked for level info."))
    }
}

/// Logs one message and answers at once.
#[derive(Deserialize, JsonSchema)]
struct Logging {}

impl Tool for Logging {
    const NAME: &'static str = "test_logging_tool";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        call.log(LogLevel::Info, "everything", "A message for whoever asked for level info");
        Ok(Text::new("A message was logged, for whoever asked for level info."))
    }
}

/// Streams a few reports, and then asks the user whether they have seen them.
#[derive(Deserialize, JsonSchema)]
struct Streaming {}

impl Tool for Streaming {
    // The suite looks for this name, to see that nothing but notifications and the answer come on the stream: the
    // question is in the answer. In revision 2026-07-28 the reports are then made a second time, on the way to the end.
    const NAME: &'static str = "test_streaming_elicitation";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        for step in 1..=3_u8 {
            call.log(LogLevel::Info, "everything", format!("Step {step} of 3"));
            call.progress(step.into(), Some(3.0), format!("step {step} of 3"));
            sleep(PAUSE / 5).await;
        }
        let question = Form::<Seen>::new("Three steps were reported. How many have you seen?");
        let Seen { steps } = call.ask("seen", question).await.accepted()?;
        Ok(Text::new(format!("The user has seen {steps} of 3 steps.")))
    }
}

#[derive(Deserialize, JsonSchema)]
struct Seen {
    /// How many steps you have seen
    #[schemars(range(max = 3))]
    steps: u8,
}

/// The calls of `test_slow`, for whoever wants to know what became of them.
#[derive(Debug, Default)]
struct SlowCalls(watch::Sender<Counts>);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    running: usize,
    /// How many ended before their time, since the server started.
    given_up: usize,
}

impl SlowCalls {
    /// Counts a call as running until what is returned is dropped, and as given up unless its time was over by then.
    fn begin(&self) -> Running<'_> {
        self.0.send_modify(|counts| counts.running += 1);
        Running { calls: self, is_over: false }
    }
}

struct Running<'a> {
    calls: &'a SlowCalls,
    is_over: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.calls.0.send_modify(|counts| {
            counts.running -= 1;
            counts.given_up += usize::from(!self.is_over);
        });
    }
}

/// Takes as long as it is told, reports progress on the way, and ends at once when it is cancelled.
#[derive(Deserialize, JsonSchema)]
struct Slow {
    /// How long, in milliseconds; at most ten minutes.
    #[schemars(range(max = 600_000))]
    ms: u32,
}

impl Tool<SlowCalls> for Slow {
    const NAME: &'static str = "test_slow";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, calls: &SlowCalls, call: &Call) -> Result<Text, ToolError> {
        let mut running = calls.begin();
        let began = Instant::now();
        let total = Duration::from_millis(self.ms.into());
        // Nothing is to be done for cancellation: a call that is cancelled ends at its next await.
        while let Some(left) = total.checked_sub(began.elapsed()) {
            call.progress((total - left).as_secs_f64() * 1e3, Some(self.ms.into()), "");
            sleep(left.min(PAUSE)).await;
        }
        running.is_over = true;
        Ok(Text::new(format!("That took {} ms.", began.elapsed().as_millis())))
    }
}

/// Waits until no call of `test_slow` is running, and says how many were given up since the server started.
#[derive(Deserialize, JsonSchema)]
struct SlowEnded {}

impl Tool<SlowCalls> for SlowEnded {
    // How a client sees that what it cancelled has ended here too: nothing else tells it.
    const NAME: &'static str = "test_slow_ended";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, calls: &SlowCalls, _: &Call) -> Result<Text, ToolError> {
        let mut counts = calls.0.subscribe();
        // The sender is there as long as the server is.
        let given_up = counts.wait_for(|counts| counts.running == 0).await.map(|counts| counts.given_up);
        Ok(Text::new(format!("Given up: {}", given_up.unwrap_or_default())))
    }
}
