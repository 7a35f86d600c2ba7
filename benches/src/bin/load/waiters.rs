//! Clients that wait for one change.

use std::time::{Duration, Instant};

use tidings_benches::fleet::Failure;
use tokio::sync::mpsc;

use crate::report::{Aim, Row};
use crate::{Bench, FILES, REGISTER, broken, service};

/// Waiters that are connected before the first of them must be answered.
const AT_A_TIME: usize = 64;

/// Time from a change until the last of many waiters has its answer.
pub(crate) async fn wake(bench: &Bench, count: usize, what: &'static str, aim: Aim) -> Result<(), Failure> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if limit.is_some_and(|limit| limit < FILES.min(count as u64 + 200)) {
        return Err(format!("{count} waiters need as many open files; see ulimit -n"));
    }
    let mut changer = bench.connect(0).await?;
    let put = changer.call("PUT", REGISTER, &service("one", "one", count)).await.map_err(broken)?;
    let now = changer.call("GET", "/v1/health/service/one", "").await.map_err(broken)?;
    if put.status != 200 || now.index == 0 {
        return Err("the service to wait for cannot be registered".to_owned());
    }
    let path = format!("/v1/health/service/one?index={}&wait=60s", now.index);
    let (told, mut woken) = mpsc::unbounded_channel();
    let mut waiters = Vec::new();
    for i in 0..count {
        let mut waiter = bench.connect(i + 1).await?;
        waiter.ask("GET", &path, "").await.map_err(broken)?;
        waiters.push(waiter);
        if i % AT_A_TIME == 0 {
            // They are all one client to the agent's queue of connections.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for mut waiter in waiters {
        let told = told.clone();
        tokio::spawn(async move {
            let _ = told.send(waiter.answer().await);
        });
    }
    drop(told);
    // Until the agent has nothing to do: all of them wait.
    let mut cpu = bench.agent().usage()?.cpu;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = bench.agent().usage()?.cpu;
        if now.saturating_sub(cpu) < Duration::from_millis(20) {
            break;
        }
        cpu = now;
    }
    let before = bench.agent().usage()?.cpu;
    let start = Instant::now();
    changer.ask("PUT", "/v1/agent/check/fail/one-ttl", "").await.map_err(broken)?;
    for _ in 0..count {
        let answered = woken.recv().await.ok_or("a waiter was lost")?.map_err(broken)?;
        if answered.status != 200 || answered.index <= now.index {
            return Err(format!("a waiter was told {} at {}", answered.status, answered.index));
        }
    }
    let measured = start.elapsed().as_secs_f64() * 1000.0;
    changer.answer().await.map_err(broken)?;
    let each = bench.agent().usage()?.cpu.saturating_sub(before) / count as u32;
    Row { what, measured, unit: "ms", aim, each: Some(each) }.print();
    Ok(())
}
