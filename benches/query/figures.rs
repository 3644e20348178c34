//! What each Rust client measures of itself, in the same way.

use std::{fs, time::Instant};

pub(crate) const SOQL: &str = "SELECT Id, Name, Industry, Phone, BillingCity, AnnualRevenue, NumberOfEmployees, CreatedDate FROM Account";

/// What was read: the compiler cannot leave out a field that counts here.
#[derive(Default)]
pub(crate) struct Sum {
    records: usize,
    used: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, lengths: usize, revenue: Option<f64>, employees: Option<u32>) {
        self.records += 1;
        self.used += revenue.unwrap_or_default() + f64::from(employees.unwrap_or_default()) + lengths as f64;
    }
}

/// Reads all records twice, and prints what it took.
pub(crate) async fn measure(read: impl AsyncFn() -> Sum) {
    let cpu = cpu_seconds("self");
    let before = status("/proc/self/status", "VmRSS:").unwrap();
    let (mut records, mut seconds) = (0, [0.0; 2]);
    for seconds in &mut seconds {
        let started = Instant::now();
        let sum = read().await;
        *seconds = started.elapsed().as_secs_f64();
        assert!(sum.used > 0.0);
        records += sum.records;
    }
    let cpu = cpu_seconds("self") - cpu;
    let peak = status("/proc/self/status", "VmHWM:").unwrap();
    let report = serde_json::json!({
        "records": records, "seconds": seconds, "cpu_seconds": cpu, "before_kib": before, "peak_kib": peak,
    });
    println!("{report}");
}

/// What the threads of a process took of processors (kernel documentation, "Scheduler Statistics").
pub(crate) fn cpu_seconds(process: &str) -> f64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let taken = threads.map(|thread| {
        let took = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        took.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
    });
    taken.sum()
}

/// A line of a process's status, in KiB.
pub(crate) fn status(file: &str, name: &str) -> Option<u64> {
    let status = fs::read_to_string(file).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
