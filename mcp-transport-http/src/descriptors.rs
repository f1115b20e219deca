//! How many connections a process has descriptors for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is kept for all else that takes descriptors, such as files, at the least.
const LEAST_RESERVE: u64 = 64;

/// How many of so many connections there is room for, once the process may open as many files as it is allowed to ask for.
pub(crate) fn room_for(connections: usize) -> usize {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX);
    let limit = getrlimit(Resource::Nofile);
    let Some(mut current) = limit.current else { return connections };
    // With a quarter in reserve.
    let needed = wanted.saturating_add((wanted / 3).saturating_add(1).max(LEAST_RESERVE));
    let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    if raised > current {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
            Ok(()) => current = raised,
            Err(error) => tracing::debug!(%error, "the limit of open files cannot be raised"),
        }
    }
    let room = within(current, wanted);
    if room < wanted {
        // No more than that: what there is room for is enough for most.
        tracing::info!(
            open_files = current,
            wanted,
            connections = room,
            "open files are limited, and so are connections"
        );
    }
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// How many of so many connections fit into a limit of open files, of which a quarter is kept for all else.
fn within(limit: u64, wanted: u64) -> u64 {
    wanted.min(limit.saturating_sub((limit / 4).max(LEAST_RESERVE)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_descriptors_is_kept_for_all_else() {
        for (limit, wanted, room) in [
            (1_024, 16_384, 768),
            (1_024, 100, 100),
            (100, 16_384, 36),
            (10, 16_384, 1),
            (65_536, 16_384, 16_384),
        ] {
            assert_eq!(within(limit, wanted), room, "{limit} {wanted}");
        }
    }

    #[test]
    fn what_there_is_room_for_leaves_descriptors_to_the_process() {
        let room = u64::try_from(room_for(16_384)).unwrap_or(u64::MAX);
        let limit = getrlimit(Resource::Nofile).current;
        assert!(
            room >= 1 && limit.is_none_or(|limit| limit < 100 || room + LEAST_RESERVE <= limit),
            "{room} {limit:?}"
        );
        assert_eq!(room_for(1), 1);
    }
}
