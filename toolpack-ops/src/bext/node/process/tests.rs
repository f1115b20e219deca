//! Processes as the node uses them, with real ones.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::fixture::{Fixture, ask, launch_in, lives, secret, until};
use super::*;

const GRACE: Duration = Duration::from_secs(20);

fn with_timeout(mut launch: Launch, timeout: Duration) -> Launch {
    launch.health.timeout = timeout;
    launch
}

fn with_command(mut launch: Launch, command: &[&str]) -> Launch {
    launch.command = command.iter().map(|word| (*word).to_owned()).collect();
    launch
}

async fn refused(launch: Launch) -> String {
    Process::start(launch).await.unwrap_err().message
}

#[tokio::test]
async fn a_process_has_its_place_and_environment_and_no_more() {
    let fixture = Fixture::new();
    let mut launch = fixture.app();
    launch.secrets.push(secret("API_KEY", "line one\nline 'two' $HOME"));
    launch.secrets.push(secret("PORT", "1"));
    let process = Process::start(launch).await.unwrap();
    let address = process.address().borrow().unwrap();
    let environment = ask(address, "/env");
    for line in [
        "API_KEY=line one\nline 'two' $HOME\n",
        "HOST=127.0.0.1\n",
        &format!("PORT={}\n", address.port()),
        "BEXT_APP=shop\n",
        "BEXT_VERSION=v1.2.4\n",
        &format!("PATH={}\n", std::env::var("PATH").unwrap()),
    ] {
        assert!(environment.contains(line), "{line:?} is not in {environment}");
    }
    // Some shells add their own.
    let names: Vec<&str> =
        environment.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let own = ["API_KEY", "BEXT_APP", "BEXT_VERSION", "HOST", "PATH", "PORT", "TEST_SERVES"];
    assert!(
        names.iter().all(|name| own.contains(name) || ["PWD", "OLDPWD", "SHLVL", "_"].contains(name)),
        "{names:?}"
    );

    let status = process.status();
    let pid = status.pid.unwrap();
    assert_eq!((status.restarts, status.trouble), (0, None));
    let listed = system::process(pid).unwrap().unwrap();
    assert_eq!(listed.group, pid);
    if cfg!(target_os = "linux") {
        let place = fs::canonicalize(fixture.path("")).unwrap();
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), place);
        assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).unwrap().to_str(), Some("/dev/null"));
    }
    assert_eq!(fixture.notes(), 1);

    let watched = process.address();
    process.stop(GRACE).await;
    assert!(!lives(pid) && system::process(pid).unwrap().is_none(), "it was not reaped");
    assert_eq!(*watched.borrow(), None);
    assert_eq!(fixture.notes(), 0);
    assert!(fixture.log().contains(" node version v1.2.4 started: process "), "{}", fixture.log());
}

#[tokio::test]
async fn what_is_not_found_is_not_started() {
    let fixture = Fixture::new();
    let message = refused(with_command(fixture.app(), &["no-such-program-here", "x"])).await;
    assert_eq!(message, "command not found: there is no program \"no-such-program-here\" in PATH");
    let mut launch = fixture.app();
    launch.directory = fixture.path("gone");
    assert_eq!(refused(launch).await, "its files are not there any more");
    let mut launch = fixture.app();
    launch.secrets.push(secret("IFS", "x"));
    assert!(refused(launch).await.contains("secret of the name IFS"));
    let mut launch = fixture.app();
    launch.secrets.extend((0..64).map(|number| secret(&format!("S{number}"), &"x".repeat(60_000))));
    assert!(refused(launch).await.contains("larger than the system"));
    // A program whose interpreter is not there is found, and still does not run.
    fs::write(fixture.path("app"), "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(fixture.path("app"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let message = refused(with_command(fixture.app(), &["./app"])).await;
    assert!(message.starts_with("it ended with status 12"), "{message}");
    assert_eq!(fixture.notes(), 0);
}

#[tokio::test]
async fn one_that_ends_early_says_what_it_printed() {
    let fixture = Fixture::new();
    let mut launch = fixture.script("echo starting; printf '\\033[31mbad key hunter2-x\\n' >&2; exit 7");
    launch.secrets.push(secret("KEY", "hunter2-x"));
    let message = refused(launch).await;
    assert!(
        message.starts_with("it ended with status 7 before it was healthy; its last output:\n"),
        "{message}"
    );
    assert!(message.contains("starting") && message.contains("\\u{1b}[31mbad key [secret KEY]"), "{message}");
    assert!(!fixture.log().contains("hunter2-x"));
    assert!(fixture.log().contains(" out starting\n"));
    assert!(fixture.log().contains(" err \u{1b}[31mbad key [secret KEY]\n"));
    assert_eq!(
        refused(fixture.script("exit 0")).await,
        "it ended with status 0 before it was healthy; it printed nothing"
    );
    let message = refused(fixture.script("kill -9 $$")).await;
    assert!(message.starts_with("it was ended by signal 9 (SIGKILL"), "{message}");
    assert_eq!(fixture.notes(), 0);
}

#[tokio::test]
async fn one_that_does_not_become_well_is_ended() {
    let time = Duration::from_secs(2);
    let fixture = Fixture::new();
    let pid_of = |name: &str| fs::read_to_string(fixture.path(name)).unwrap().trim().parse::<u32>().unwrap();

    let message = refused(with_timeout(fixture.script("echo $$ >a; exec sleep 1000"), time)).await;
    assert!(message.starts_with("nothing listened on 127.0.0.1:"), "{message}");
    assert!(message.contains("within 2 s; it printed nothing"), "{message}");
    assert!(!lives(pid_of("a")));

    let mut launch = with_timeout(fixture.script("echo $$ >b; exec \"$@\""), time);
    launch.secrets = vec![secret("TEST_SERVES", "503")];
    launch.health.path = "/up?deep=1".to_owned();
    let message = refused(launch).await;
    assert!(message.starts_with("GET /up?deep=1 was answered with 503 for 2 s; "), "{message}");
    assert!(!lives(pid_of("b")));

    let mut launch = with_timeout(fixture.app(), time);
    launch.secrets = vec![secret("TEST_SERVES", "silent")];
    let message = refused(launch).await;
    assert!(message.starts_with("GET / was not answered within 2 s; "), "{message}");
    assert_eq!(fixture.notes(), 0);
}

#[tokio::test]
async fn a_redirect_counts_as_well() {
    let fixture = Fixture::new();
    let mut launch = fixture.app();
    launch.secrets = vec![secret("TEST_SERVES", "302")];
    Process::start(launch).await.unwrap().stop(GRACE).await;
}

#[tokio::test]
async fn one_that_crashes_is_started_again_at_another_port() {
    let fixture = Fixture::new();
    let process = Process::start(fixture.app()).await.unwrap();
    let mut address = process.address();
    let (before, pid) = (address.borrow_and_update().unwrap(), process.status().pid.unwrap());
    ask(before, "/crash");
    address.wait_for(Option::is_none).await.unwrap();
    let after = address.wait_for(Option::is_some).await.unwrap().unwrap();
    assert_ne!(before.port(), after.port());
    assert_eq!(ask(after, "/"), "hello");
    let status = process.status();
    assert_eq!((status.restarts, status.trouble), (1, None));
    assert_ne!(status.pid, Some(pid));
    assert_eq!(fixture.notes(), 1);
    process.stop(GRACE).await;
    assert_eq!(fixture.notes(), 0);
}

#[tokio::test]
async fn one_that_keeps_crashing_is_tried_again_and_can_be_stopped() {
    let fixture = Fixture::new();
    // Well once; from then on it says why not.
    let process = Process::start(
        fixture.script("if [ -e ran ]; then echo out of luck; exit 9; fi; touch ran; exec \"$@\""),
    )
    .await
    .unwrap();
    let address = process.address().borrow().unwrap();
    ask(address, "/crash");
    until("it was tried three times", || process.status().restarts >= 3).await;
    until("it says why", || {
        process.status().trouble.is_some_and(|trouble| {
            trouble.contains("it ended with status 9 before it was healthy")
                && trouble.contains("out of luck")
        })
    })
    .await;
    assert_eq!(*process.address().borrow(), None);
    process.stop(GRACE).await;
    assert_eq!(fixture.notes(), 0);
    assert!(fixture.log().matches(" out out of luck\n").count() >= 2);
}

#[tokio::test]
async fn one_that_is_stopped_while_it_starts_again_is_gone() {
    let fixture = Fixture::new();
    let process = Process::start(
        fixture.script("if [ -e ran ]; then echo $$ >again; exec sleep 1000; fi; touch ran; exec \"$@\""),
    )
    .await
    .unwrap();
    ask(process.address().borrow().unwrap(), "/crash");
    let pid = || fs::read_to_string(fixture.path("again")).ok()?.trim().parse::<u32>().ok();
    until("it starts again", || pid().is_some()).await;
    process.stop(GRACE).await;
    assert!(!lives(pid().unwrap()));
    assert_eq!(fixture.notes(), 0);
}

/// Its children and theirs do not hear SIGTERM, and it does not wait for them.
const STUBBORN: &str = r#"
    (trap '' TERM; echo $(sh -c 'echo $PPID') >>pids; (trap '' TERM; sh -c 'echo $PPID' >>pids; while :; do sleep 1; done) & while :; do sleep 1; done) &
    echo $$ >>pids
    exec "$@"
"#;

fn stubborn_pids(fixture: &Fixture) -> Vec<u32> {
    let text = fs::read_to_string(fixture.path("pids")).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

#[tokio::test]
async fn a_stubborn_family_is_killed_to_the_last() {
    let fixture = Fixture::new();
    let process = Process::start(fixture.script(STUBBORN)).await.unwrap();
    until("all of them run", || stubborn_pids(&fixture).len() == 3).await;
    let pids = stubborn_pids(&fixture);
    assert!(pids.iter().all(|pid| lives(*pid)), "{pids:?}");
    let began = Instant::now();
    process.stop(Duration::from_millis(300)).await;
    assert!(began.elapsed() >= Duration::from_millis(300), "they were not given their time");
    assert!(!pids.iter().any(|pid| lives(*pid)));
    assert_eq!(fixture.notes(), 0);
}

#[tokio::test]
async fn the_children_of_one_that_crashed_do_not_stay() {
    let fixture = Fixture::new();
    let process = Process::start(fixture.script(STUBBORN)).await.unwrap();
    until("all of them run", || stubborn_pids(&fixture).len() == 3).await;
    let pids = stubborn_pids(&fixture);
    kill_process(Pid::from_raw(process.status().pid.unwrap().cast_signed()).unwrap(), Signal::KILL).unwrap();
    let mut address = process.address();
    address.wait_for(Option::is_none).await.unwrap();
    address.wait_for(Option::is_some).await.unwrap();
    assert!(!pids.iter().any(|pid| lives(*pid)));
    process.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_polite_end_is_waited_for_and_no_longer() {
    let fixture = Fixture::new();
    let script = "trap 'echo said goodbye; kill $app; exit 0' TERM; \"$@\" & app=$!; wait";
    let process = Process::start(fixture.script(script)).await.unwrap();
    let began = Instant::now();
    process.stop(Duration::from_secs(60)).await;
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(fixture.log().contains(" out said goodbye\n"), "{}", fixture.log());
}

#[tokio::test]
async fn dropping_one_kills_its_group() {
    let fixture = Fixture::new();
    let process = Process::start(fixture.script(STUBBORN)).await.unwrap();
    until("all of them run", || stubborn_pids(&fixture).len() == 3).await;
    let (pids, address) = (stubborn_pids(&fixture), process.address());
    drop(process);
    assert_eq!(*address.borrow(), None);
    until("none of them lives", || !pids.iter().any(|pid| lives(*pid))).await;
    until("its note is removed", || fixture.notes() == 0).await;
}

#[tokio::test]
async fn a_start_that_is_cancelled_leaves_nothing() {
    let fixture = Fixture::new();
    let start = tokio::spawn(Process::start(fixture.script("echo $$ >pids; exec sleep 1000")));
    until("it runs", || stubborn_pids(&fixture).len() == 1).await;
    start.abort();
    assert!(start.await.unwrap_err().is_cancelled());
    until("it is gone", || !lives(stubborn_pids(&fixture)[0])).await;
    until("its note is removed", || fixture.notes() == 0).await;
}

#[test]
fn a_runtime_that_ends_takes_its_processes_along() {
    let fixture = Fixture::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let process = runtime.block_on(Process::start(fixture.app())).unwrap();
    let pid = process.status().pid.unwrap();
    drop(runtime);
    let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    waiting.block_on(until("it is gone", || !lives(pid) && fixture.notes() == 0));
    drop(process);
}

#[tokio::test]
async fn a_restart_brings_new_secrets_and_loses_nobody() {
    let fixture = Fixture::new();
    let process = Process::start(fixture.app()).await.unwrap();
    let (before, pid) = (process.address().borrow().unwrap(), process.status().pid.unwrap());
    process.restart(vec![secret("TEST_SERVES", "200"), secret("NEW", "new-value")], GRACE).await.unwrap();
    let after = process.address().borrow().unwrap();
    assert_ne!(before, after);
    assert!(ask(after, "/env").contains("NEW=new-value\n"));
    assert!(!lives(pid));
    assert_eq!(process.status().restarts, 0);

    // One that does not become well changes nothing.
    let pid = process.status().pid;
    let error = process.restart(Vec::new(), GRACE).await.unwrap_err();
    assert!(error.message.contains("it ended with status 0 before it was healthy"), "{error}");
    assert_eq!((process.status().pid, *process.address().borrow()), (pid, Some(after)));
    assert!(ask(after, "/env").contains("NEW=new-value\n"));
    assert_eq!(fixture.notes(), 1);
    process.stop(GRACE).await;
    assert_eq!(fixture.notes(), 0);
}

#[tokio::test]
async fn a_restart_ends_the_wait_of_one_that_crashed() {
    let fixture = Fixture::new();
    let script = "if [ -e ran ] && [ -z \"$FIXED\" ]; then exit 9; fi; touch ran; exec \"$@\"";
    let process = Process::start(fixture.script(script)).await.unwrap();
    ask(process.address().borrow().unwrap(), "/crash");
    until("it was tried three times", || process.status().restarts >= 3).await;
    let secrets = vec![secret("TEST_SERVES", "200"), secret("FIXED", "1")];
    process.restart(secrets, GRACE).await.unwrap();
    let address = *process.address().borrow();
    assert_eq!(ask(address.unwrap(), "/"), "hello");
    assert_eq!(process.status().trouble, None);
    process.stop(GRACE).await;
}

#[tokio::test]
async fn a_flood_of_output_is_kept_within_bounds_and_harms_nobody() {
    let fixture = Fixture::new();
    let flood = "(while :; do cat chunk; done) & exec \"$@\"";
    fs::write(fixture.path("chunk"), "0123456789abcdef0123456789abcdef\n".repeat(30_000)).unwrap();
    let process = Process::start(fixture.script(flood)).await.unwrap();
    let address = process.address().borrow().unwrap();
    let old = fixture.path("app.log.1");
    until("the log was put aside", || old.exists()).await;
    assert_eq!(ask(address, "/"), "hello");
    assert!(fs::metadata(&old).unwrap().len() <= 10 << 20);
    process.stop(Duration::ZERO).await;
    assert!(fs::metadata(fixture.path("app.log")).unwrap().len() <= 10 << 20);
    let log = fixture.log();
    let whole = log.lines().filter(|line| line.ends_with(" out 0123456789abcdef0123456789abcdef")).count();
    // The chunk that a kill interrupts may end within a line; the app and the node say a few more.
    assert!(log.lines().count() - whole < 10, "{} of {}", whole, log.lines().count());
}

/// In a process of its own: starts an app, says so, and waits to be killed.
#[tokio::test]
async fn holds_an_app_when_it_is_told_to() {
    let Some(directory) = std::env::var_os("TEST_HOLDS_IN").map(PathBuf::from) else { return };
    let process = Process::start(launch_in(&directory, STUBBORN)).await.unwrap();
    fs::write(directory.join("ready"), process.status().pid.unwrap().to_string()).unwrap();
    std::future::pending().await
}

fn start_self(test: &str, variable: &str, value: &std::path::Path) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("bext::node::process::tests::{test}"), "--nocapture"])
        .env(variable, value)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Starts a node that holds an app, kills it, and returns the processes of the app, which live on.
async fn orphans(fixture: &Fixture) -> Vec<u32> {
    let mut node = start_self("holds_an_app_when_it_is_told_to", "TEST_HOLDS_IN", &fixture.path(""));
    until("the app is ready", || fixture.path("ready").exists() && stubborn_pids(fixture).len() == 3).await;
    node.kill().unwrap();
    node.wait().unwrap();
    let pids = stubborn_pids(fixture);
    assert!(pids.iter().all(|pid| lives(*pid)), "{pids:?}");
    assert_eq!(fixture.notes(), 1);
    pids
}

#[tokio::test]
async fn what_a_killed_node_leaves_is_swept_away() {
    let fixture = Fixture::new();
    let pids = orphans(&fixture).await;
    assert_eq!(sweep(&fixture.path("ledger")).await.unwrap(), 1);
    assert!(!pids.iter().any(|pid| lives(*pid)));
    assert_eq!(fixture.notes(), 0);
    assert_eq!(sweep(&fixture.path("ledger")).await.unwrap(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn children_whose_first_process_is_gone_are_swept_away() {
    let fixture = Fixture::new();
    let pids = orphans(&fixture).await;
    let first: u32 = fs::read_to_string(fixture.path("ready")).unwrap().parse().unwrap();
    kill_process(Pid::from_raw(first.cast_signed()).unwrap(), Signal::KILL).unwrap();
    until("its first process is gone", || !lives(first)).await;
    assert_eq!(sweep(&fixture.path("ledger")).await.unwrap(), 1);
    assert!(!pids.iter().any(|pid| lives(*pid)));
    assert_eq!(fixture.notes(), 0);
}

#[tokio::test]
async fn a_number_that_is_used_again_is_left_alone() {
    use std::os::unix::process::CommandExt;
    let fixture = Fixture::new();
    let ledger = fixture.path("ledger");
    let mut stranger = std::process::Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let pid = stranger.id();
    let since = system::process(pid).unwrap().unwrap().since;
    let note = |pid, since: &str| ledger::Note {
        pid,
        since: since.to_owned(),
        variables: vec!["PORT=1".to_owned()],
        directory: "/nowhere".into(),
    };
    ledger::Entry::write(&ledger, &note(pid, "another start/1")).unwrap();
    // These would reach everyone.
    ledger::Entry::write(&ledger, &note(0, &since)).unwrap();
    ledger::Entry::write(&ledger, &note(1, &since)).unwrap();
    fs::write(ledger.join("5.json"), "{\"pid\":").unwrap();
    fs::write(ledger.join("else.txt"), "not a note").unwrap();
    assert_eq!(sweep(&ledger).await.unwrap(), 0);
    assert!(lives(pid), "a stranger was killed");
    assert_eq!(fixture.notes(), 1, "notes are left");
    // The same, noted rightly, is not spared: so the above has shown something.
    ledger::Entry::write(&ledger, &note(pid, &since)).unwrap();
    assert_eq!(sweep(&ledger).await.unwrap(), 1);
    assert!(!stranger.wait().unwrap().success());
    assert_eq!(sweep(&fixture.path("none")).await.unwrap(), 0);
}

/// In a process of its own, so that what other tests open is not counted.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn leaks_nothing_when_it_is_told_to() {
    if std::env::var_os("TEST_LEAKS").is_none() {
        return;
    }
    let fixture = Fixture::new();
    let round = async || {
        let process = Process::start(fixture.app()).await.unwrap();
        let mut address = process.address();
        ask(address.borrow_and_update().unwrap(), "/crash");
        address.wait_for(Option::is_none).await.unwrap();
        address.wait_for(Option::is_some).await.unwrap();
        process.stop(GRACE).await;
        refused(fixture.script("exit 1")).await;
        let dropped = Process::start(fixture.app()).await.unwrap();
        drop(dropped);
    };
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let children = || {
        let own = std::process::id().to_string();
        let is_child = |entry: &fs::DirEntry| {
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
            after_name.split_ascii_whitespace().nth(1) == Some(own.as_str())
        };
        fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(is_child).count()
    };
    // What is opened once stays: the runtime's own.
    round().await;
    until("no child is left", || children() == 0).await;
    let before = open();
    for _ in 0..5 {
        round().await;
    }
    until("no child is left", || children() == 0).await;
    until("no more is open than before", || open() <= before).await;
    assert_eq!(fixture.notes(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_child_and_no_descriptor_is_left_over() {
    let fixture = Fixture::new();
    let child = start_self("leaks_nothing_when_it_is_told_to", "TEST_LEAKS", &fixture.path(""));
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// One whose group was left keeps its output open; that is not waited for long.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_that_leaves_the_group_holds_nobody_up() {
    let fixture = Fixture::new();
    let script = "setsid sh -c 'echo $$ >pids; exec sleep 1000' & exec \"$@\"";
    let process = Process::start(fixture.script(script)).await.unwrap();
    until("it has left", || stubborn_pids(&fixture).len() == 1).await;
    let began = Instant::now();
    process.stop(GRACE).await;
    assert!(began.elapsed() < GRACE);
    assert_eq!(fixture.notes(), 0);
    // As the documentation says, it is on its own.
    let pid = stubborn_pids(&fixture)[0];
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

/// In a process of its own: starts and stops apps until it is killed.
#[tokio::test]
async fn starts_and_stops_when_it_is_told_to() {
    let Some(directory) = std::env::var_os("TEST_STARTS_IN").map(PathBuf::from) else { return };
    let busy = || async {
        loop {
            let process = Process::start(launch_in(&directory, "sleep 1000 & exec \"$@\"")).await.unwrap();
            fs::write(directory.join("ready"), "").unwrap();
            process.stop(GRACE).await;
        }
    };
    tokio::join!(busy(), busy(), busy());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_node_that_is_killed_at_any_moment_leaves_nothing_after_the_sweep() {
    let fixture = Fixture::new();
    let place = fs::canonicalize(fixture.path("")).unwrap();
    let left = || {
        let all = system::processes().unwrap().into_iter();
        all.filter(|process| !process.is_dead && system::works_in(process.pid, &place)).count()
    };
    let mut swept = 0;
    for round in 0..8_u64 {
        let _ = fs::remove_file(fixture.path("ready"));
        let mut node = start_self("starts_and_stops_when_it_is_told_to", "TEST_STARTS_IN", &fixture.path(""));
        until("it is busy", || fixture.path("ready").exists()).await;
        // No moment is better than another.
        tokio::time::sleep(Duration::from_micros(round * 7919 % 40_000)).await;
        node.kill().unwrap();
        node.wait().unwrap();
        swept += sweep(&fixture.path("ledger")).await.unwrap();
        // Shells that wait before the gate end by themselves.
        until("nothing is left", || left() == 0).await;
        assert_eq!(fixture.notes(), 0);
    }
    assert!(swept > 0, "nothing was ever left behind, so nothing was shown");
}
