//! The resources that this process uses.

use std::time::Duration;

/// The resources that this process uses; `None` where the system does not report one (outside of
/// Linux).
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Process {
    /// User and system time.
    pub(super) cpu: Option<Duration>,
    /// Resident memory in bytes.
    pub(super) resident_bytes: Option<u64>,
    /// Open file descriptors.
    pub(super) open_files: Option<u64>,
}

impl Process {
    /// Reads the present values.
    pub(super) fn read() -> Self {
        let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let cpu = u64::try_from(clock.tv_sec)
            .ok()
            .zip(u32::try_from(clock.tv_nsec).ok())
            .map(|(seconds, nanos)| Duration::new(seconds, nanos));
        let resident_bytes = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
            Some(kibibytes * 1024)
        });
        let open_files = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        Self { cpu, resident_bytes, open_files }
    }
}
