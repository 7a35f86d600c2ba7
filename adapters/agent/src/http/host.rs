//! `/v1/agent/host`: the machine the agent runs on, as far as Linux tells in files (consul-http,
//! section 3). What it does not tell is zero or empty.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::Site;
use super::answer::Answer;

/// The numbers of memory: what they are called here, and in `/proc/meminfo`; the latter in KiB.
const MEMORY: [(&str, &str); 32] = [
    ("total", "MemTotal"),
    ("available", "MemAvailable"),
    ("free", "MemFree"),
    ("active", "Active"),
    ("inactive", "Inactive"),
    ("wired", ""),
    ("laundry", ""),
    ("buffers", "Buffers"),
    ("cached", "Cached"),
    ("writeback", "Writeback"),
    ("dirty", "Dirty"),
    ("writebacktmp", "WritebackTmp"),
    ("shared", "Shmem"),
    ("slab", "Slab"),
    ("sreclaimable", "SReclaimable"),
    ("sunreclaim", "SUnreclaim"),
    ("pagetables", "PageTables"),
    ("swapcached", "SwapCached"),
    ("commitlimit", "CommitLimit"),
    ("committedas", "Committed_AS"),
    ("hightotal", "HighTotal"),
    ("highfree", "HighFree"),
    ("lowtotal", "LowTotal"),
    ("lowfree", "LowFree"),
    ("swaptotal", "SwapTotal"),
    ("swapfree", "SwapFree"),
    ("mapped", "Mapped"),
    ("vmalloctotal", "VmallocTotal"),
    ("vmallocused", "VmallocUsed"),
    ("vmallocchunk", "VmallocChunk"),
    ("hugepagestotal", "HugePages_Total"),
    ("hugepagesfree", "HugePages_Free"),
];

/// Reads what the system tells of itself; a few files of `/proc`, which take no time.
pub(super) fn host(site: &Site) -> Answer {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Answer::json(json!({
        "Memory": memory(&read("/proc/meminfo")),
        "CPU": processors(&read("/proc/cpuinfo")),
        "Host": system(site, now.as_secs()),
        "Disk": disk(),
        "CollectionTime": u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
        "Errors": null,
    }))
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim_end().to_owned()).unwrap_or_default()
}

fn memory(text: &str) -> Value {
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let mut words = line.unwrap_or_default().split_whitespace();
        let number: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        if words.next() == Some("kB") { number * 1024 } else { number }
    };
    let mut all: Map<String, Value> =
        MEMORY.iter().map(|(name, known)| ((*name).into(), json!(of(known)))).collect();
    let (total, available) = (of("MemTotal"), of("MemAvailable"));
    let used = total.saturating_sub(available);
    all.insert("used".into(), json!(used));
    all.insert("usedPercent".into(), json!(percent(used, total)));
    all.insert("hugepagesize".into(), json!(of("Hugepagesize")));
    all.into()
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// Each processor is a paragraph of `name : value` lines.
fn processors(text: &str) -> Value {
    let each = text.split("\n\n").filter(|part| part.contains("processor")).map(|part| {
        let of = |name: &str| {
            let lines = part.lines().filter_map(|line| line.split_once(':'));
            lines.into_iter().find(|(key, _)| key.trim() == name).map_or("", |(_, value)| value.trim())
        };
        let number =
            |name: &str| of(name).split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0.0_f64);
        let whole = |name: &str| number(name) as i64;
        json!({
            "cpu": whole("processor"),
            "vendorId": of("vendor_id"),
            "family": of("cpu family"),
            "model": of("model"),
            "stepping": whole("stepping"),
            "physicalId": of("physical id"),
            "coreId": of("core id"),
            "cores": 1,
            "modelName": of("model name"),
            "mhz": number("cpu MHz"),
            "cacheSize": whole("cache size"),
            "flags": of("flags").split_whitespace().collect::<Vec<_>>(),
            "microcode": of("microcode"),
        })
    });
    each.collect()
}

fn system(site: &Site, now: u64) -> Value {
    let uptime = read("/proc/uptime");
    let uptime = uptime.split(['.', ' ']).next().and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
    let release = read("/etc/os-release");
    let of = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes =
        processes.filter(|it| it.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
    json!({
        "hostname": gethostname::gethostname().to_string_lossy(),
        "uptime": uptime,
        "bootTime": now.saturating_sub(uptime),
        "procs": processes.count(),
        "os": std::env::consts::OS,
        "platform": of("ID"),
        "platformFamily": of("ID_LIKE"),
        "platformVersion": of("VERSION_ID"),
        "kernelVersion": read("/proc/sys/kernel/osrelease"),
        "kernelArch": std::env::consts::ARCH,
        "virtualizationSystem": "",
        "virtualizationRole": "",
        "hostid": site.directory.node().config().registry.node.as_ref().map_or("", |info| &info.id),
    })
}

/// The file system the agent was started in.
fn disk() -> Value {
    let path = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let Ok(found) = rustix::fs::statvfs(&path) else { return json!({ "path": path }) };
    let (total, free) = (found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize);
    let used = (found.f_blocks - found.f_bfree) * found.f_frsize;
    let inodes_used = found.f_files - found.f_ffree;
    json!({
        "path": path,
        "fstype": "",
        "total": total,
        "free": free,
        "used": used,
        "usedPercent": percent(used, used + free),
        "inodesTotal": found.f_files,
        "inodesUsed": inodes_used,
        "inodesFree": found.f_ffree,
        "inodesUsedPercent": percent(inodes_used, found.f_files),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read_as_it_is_written() {
        let all = memory(
            "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    250 kB\nHugePages_Total:       3\n",
        );
        assert_eq!((&all["total"], &all["used"]), (&json!(1_024_000), &json!(768_000)));
        assert_eq!((&all["usedPercent"], &all["hugepagestotal"]), (&json!(75.0), &json!(3)));
        assert_eq!(memory("nonsense")["total"], json!(0));
        let text = "processor\t: 0\nmodel name\t: A B\ncpu MHz\t\t: 2400.5\nflags : x y\n\nprocessor\t: 1\n";
        let all = processors(text);
        assert_eq!(all.as_array().map(Vec::len), Some(2));
        assert_eq!((&all[0]["modelName"], &all[0]["mhz"]), (&json!("A B"), &json!(2400.5)));
        assert_eq!(all[0]["flags"], json!(["x", "y"]));
        assert_eq!(processors(""), json!([]));
    }
}
