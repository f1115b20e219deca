//! Processes as the node uses them, with real ones.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::fs;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

#[cfg(target_os = "linux")]
use super::fixture::DAEMON;
use super::fixture::{Fixture, STUBBORN, ask, lives, noted_pids, secret, until};
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

/// The numbers of the files that a process has open, without sockets.
fn open_files(pid: &str) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(Result::unwrap);
    let is_file = |entry: &fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|to| !to.to_string_lossy().starts_with("socket:"))
    };
    entries.filter(is_file).map(|entry| entry.file_name().into_string().unwrap()).collect()
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
    let own = ["API_KEY", "BEXT_APP", "BEXT_RUN", "BEXT_VERSION", "HOST", "PATH", "PORT", "TEST_SERVES"];
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
        // It has opened sockets itself. What this process was itself given to inherit goes on to it.
        let mut open: Vec<String> = open_files(&pid.to_string());
        let was_given = |number: &str| {
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
            i64::from_str_radix(flags.trim(), 8).is_ok_and(|flags| flags & 0o2_000_000 == 0)
        };
        open.retain(|number| !["0", "1", "2"].contains(&number.as_str()) && !was_given(number));
        assert_eq!(open, [""; 0]);
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
    // As a program says it that ends with what it was given, quoted.
    let mut launch =
        fixture.script(r#"printf '%s\n' '{"key":"a\"b\\c-\u003ctop"}' YSJiXGMtPHRvcA== >&2; exit 7"#);
    launch.secrets.push(secret("KEY", "a\"b\\c-<top"));
    let message = refused(launch).await;
    assert!(message.contains("{\"key\":\"[secret KEY]\"}\n[secret KEY]"), "{message}");
    assert!(!fixture.log().contains("top\"") && !fixture.log().contains("YSJi"), "{}", fixture.log());
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
    let fixtures = [Fixture::new(), Fixture::new(), Fixture::new()];

    let deaf = with_timeout(fixtures[0].script("echo $$ >pids; exec sleep 1000"), time);
    let mut ill = with_timeout(fixtures[1].script("echo $$ >pids; exec \"$@\""), time);
    ill.secrets = vec![secret("TEST_SERVES", "503")];
    ill.health.path = "/up?deep=1".to_owned();
    let mut silent = with_timeout(fixtures[2].script("echo $$ >pids; exec \"$@\""), time);
    silent.secrets = vec![secret("TEST_SERVES", "silent")];
    let (deaf, ill, silent) = tokio::join!(refused(deaf), refused(ill), refused(silent));

    assert!(deaf.starts_with("nothing listened at HOST and PORT (127.0.0.1:"), "{deaf}");
    assert!(deaf.ends_with(") within 2 s; it printed nothing"), "{deaf}");
    assert!(ill.starts_with("GET /up?deep=1 was answered with 503 for 2 s; its last output:\n"), "{ill}");
    assert!(silent.starts_with("GET / was not answered within 2 s; its last output:\n"), "{silent}");
    for fixture in &fixtures {
        assert!(!lives(noted_pids(fixture)[0]));
        assert_eq!(fixture.notes(), 0);
    }
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

#[tokio::test]
async fn a_stubborn_family_is_killed_to_the_last() {
    let fixture = Fixture::new();
    let process = Process::start(fixture.script(STUBBORN)).await.unwrap();
    until("all of them run", || noted_pids(&fixture).len() == 3).await;
    let pids = noted_pids(&fixture);
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
    until("all of them run", || noted_pids(&fixture).len() == 3).await;
    let pids = noted_pids(&fixture);
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
    until("all of them run", || noted_pids(&fixture).len() == 3).await;
    let (pids, address) = (noted_pids(&fixture), process.address());
    drop(process);
    assert_eq!(*address.borrow(), None);
    until("none of them lives", || !pids.iter().any(|pid| lives(*pid))).await;
    until("its note is removed", || fixture.notes() == 0).await;
}

#[tokio::test]
async fn a_start_that_is_cancelled_leaves_nothing() {
    let fixture = Fixture::new();
    let start = tokio::spawn(Process::start(fixture.script("echo $$ >pids; exec sleep 1000")));
    until("it runs", || noted_pids(&fixture).len() == 1).await;
    start.abort();
    assert!(start.await.unwrap_err().is_cancelled());
    until("it is gone", || !lives(noted_pids(&fixture)[0])).await;
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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_that_leaves_the_group_is_ended_with_it() {
    let fixture = Fixture::new();
    let script = "setsid sh -c 'echo $$ >pids; exec sleep 1000' & exec \"$@\"";
    let process = Process::start(fixture.script(script)).await.unwrap();
    until("it has left", || noted_pids(&fixture).len() == 1).await;
    let (pid, began) = (noted_pids(&fixture)[0], Instant::now());
    assert_eq!(system::process(pid).unwrap().unwrap().group, pid);
    process.stop(GRACE).await;
    assert!(began.elapsed() < GRACE, "it was not asked to end");
    assert!(!lives(pid));
    assert_eq!(fixture.notes(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_daemon_that_does_not_hear_is_killed_when_its_time_is_over() {
    let fixture = Fixture::new();
    let process = Process::start(fixture.script(DAEMON)).await.unwrap();
    until("it has left", || noted_pids(&fixture).len() == 2).await;
    let (pids, began) = (noted_pids(&fixture), Instant::now());
    process.stop(Duration::from_millis(300)).await;
    assert!(began.elapsed() >= Duration::from_millis(300), "it was not given its time");
    assert!(!pids.iter().any(|pid| lives(*pid)));
    assert_eq!(fixture.notes(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_daemon_goes_with_one_that_is_dropped_that_crashed_or_did_not_start() {
    let fixture = Fixture::new();
    let process = Process::start(fixture.script(DAEMON)).await.unwrap();
    until("it has left", || noted_pids(&fixture).len() == 2).await;
    let first = noted_pids(&fixture);
    let mut address = process.address();
    ask(address.borrow_and_update().unwrap(), "/crash");
    address.wait_for(Option::is_none).await.unwrap();
    address.wait_for(Option::is_some).await.unwrap();
    assert!(!first.iter().any(|pid| lives(*pid)));
    until("the next has left", || noted_pids(&fixture).len() == 4).await;
    let next = noted_pids(&fixture)[2..].to_vec();
    assert!(next.iter().all(|pid| lives(*pid)), "{next:?}");
    drop(process);
    until("none of them lives", || !next.iter().any(|pid| lives(*pid))).await;
    until("its note is removed", || fixture.notes() == 0).await;

    let failing = DAEMON.replace("exec \"$@\"", "while ! [ -s pids ]; do :; done; exit 1");
    let fixture = Fixture::new();
    refused(fixture.script(&failing)).await;
    assert!(!noted_pids(&fixture).iter().any(|pid| lives(*pid)));
    assert_eq!(fixture.notes(), 0);
}

/// Nothing but the very id counts, and what carries another is not touched.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stranger_with_the_id_of_another_start_lives_on() {
    let fixture = Fixture::new();
    let process = Process::start(fixture.app()).await.unwrap();
    let environment = ask(process.address().borrow().unwrap(), "/env");
    let run = environment.lines().find_map(|line| line.strip_prefix("BEXT_RUN=")).unwrap().to_owned();
    assert_eq!(run.len(), 32);
    let other = Process::start(fixture.app()).await.unwrap();
    let mut stranger = std::process::Command::new("sleep")
        .arg("1000")
        .env("BEXT_RUN", format!("{run}0"))
        .env("BEXT_RUN_", &run)
        .spawn()
        .unwrap();
    process.stop(GRACE).await;
    assert!(lives(stranger.id()), "a stranger was killed");
    assert_eq!(ask(other.address().borrow().unwrap(), "/"), "hello");
    other.stop(GRACE).await;
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_stop_that_is_cancelled_kills() {
    let fixture = Fixture::new();
    let process = Process::start(fixture.script(STUBBORN)).await.unwrap();
    until("all of them run", || noted_pids(&fixture).len() == 3).await;
    let pids = noted_pids(&fixture);
    let stop = tokio::spawn(process.stop(Duration::MAX));
    until("its first process has heard it", || !pids.iter().all(|pid| lives(*pid))).await;
    assert!(pids.iter().any(|pid| lives(*pid)), "they did not wait for their time");
    stop.abort();
    assert!(stop.await.unwrap_err().is_cancelled());
    until("none of them lives", || !pids.iter().any(|pid| lives(*pid))).await;
    until("its note is removed", || fixture.notes() == 0).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_start_that_is_cancelled_at_any_moment_leaves_nothing() {
    let fixture = Fixture::new();
    let place = fs::canonicalize(fixture.path("")).unwrap();
    let mut cancelled = 0;
    for round in 0..40_u64 {
        // No moment is better than another.
        let time = Duration::from_micros(round * 500);
        cancelled += u32::from(tokio::time::timeout(time, Process::start(fixture.app())).await.is_err());
    }
    assert!(cancelled > 0, "nothing was cancelled, so nothing was shown");
    let left = || {
        let all = system::processes().unwrap().into_iter();
        all.filter(|process| !process.is_dead && system::works_in(process.pid, &place)).count()
    };
    until("nothing is left", || left() == 0 && fixture.notes() == 0).await;
}
