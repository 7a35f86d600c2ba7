//! `sync`: takes over another agent's routers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use tidings_client::protocol::{Query, QueryRecord, QueryRecordKind, Router};
use tidings_client::{Client, Error, Limits};

use super::rpc::RpcFlags;
use super::terminal::{Failure, Terminal};
use crate::blued::RPC_ADDR;

/// How long another agent may take to be reached: the next answer may be a better one.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Parser)]
#[command(
    about = "Asks the named nodes for the addresses of their RPC, reads the routers of the first that can\n  \
             be reached, and has the agent take them over in the place of what it heard of agents\n  \
             without a registry. Agents with one agree by themselves.",
    override_usage = "tidings sync [options] node ..."
)]
pub(crate) struct Flags {
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    if flags.words.is_empty() {
        return Err(Failure::Usage(Some("At least one member to sync must be specified.")));
    }
    let client = flags.rpc.connect(terminal).await?;
    let members = client.members().await;
    let members = members.map_err(|error| Failure::because("Error retrieving members", error))?;
    let query = Query {
        filter_nodes: flags.words,
        name: RPC_ADDR.to_owned(),
        request_ack: false,
        ..Query::default()
    };
    let answers = client.query(query).await;
    let mut answers = answers.map_err(|error| Failure::because("Error sending query", error))?;
    loop {
        let QueryRecord { from, payload, .. } = match answers.next().await {
            Ok(Some(record)) if record.kind == QueryRecordKind::Response => record,
            Ok(Some(_)) | Err(Error::Answer(_)) => continue,
            Ok(None) | Err(_) => break,
        };
        let home = members.iter().find(|member| member.name == from).map(|member| member.addr);
        let routers = match reachable(&String::from_utf8_lossy(&payload), home) {
            Ok(addr) => read(&flags.rpc, terminal, &addr).await.map(|routers| (addr, routers)),
            Err(problem) => Err(problem),
        };
        match routers {
            Ok((addr, routers)) => {
                let updated = client.update_routers(routers).await;
                updated.map_err(|error| Failure::because("Error updating routers", error))?;
                terminal.line(format_args!("Successfully sync router table from {addr}"))?;
                return Ok(0);
            }
            // Nobody need read it: another answer may do.
            Err(problem) => _ = writeln!(terminal.stderr, "{from}: {problem}"),
        }
    }
    terminal.line("No router table is sync")?;
    Ok(0)
}

/// The address that a node at `home` answered, as it is reached from here.
fn reachable(text: &str, home: Option<IpAddr>) -> Result<String, String> {
    let (Ok(addr), Some(home)) = (text.parse::<SocketAddr>(), home) else { return Ok(text.to_owned()) };
    if addr.ip().is_unspecified() {
        return Ok(SocketAddr::new(home, addr.port()).to_string());
    }
    if addr.ip().is_loopback() && !home.is_loopback() {
        // Here it would be another agent, most likely the very one to be updated.
        return Err(format!(
            "{addr} is reached from its own host only; start that agent with another -rpc-addr"
        ));
    }
    Ok(text.to_owned())
}

async fn read(rpc: &RpcFlags, terminal: &Terminal<'_>, addr: &str) -> Result<Vec<Router>, String> {
    let limits = Limits { connect: PATIENCE, ..Limits::default() };
    let key = rpc.key(terminal);
    let reading = async {
        let other = Client::connect_with(addr, key.as_deref(), limits).await?;
        other.routers().await
    };
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(routers) => routers.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{addr} does not answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_as_the_node_means_it() {
        let home: IpAddr = "10.0.0.7".parse().unwrap();
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(reachable("10.0.0.8:7373", Some(home)), Ok("10.0.0.8:7373".into()));
        assert_eq!(reachable("0.0.0.0:7373", Some(home)), Ok("10.0.0.7:7373".into()));
        assert_eq!(reachable("127.0.0.1:7373", Some(local)), Ok("127.0.0.1:7373".into()));
        assert_eq!(reachable("host:7373", Some(home)), Ok("host:7373".into()));
        assert!(reachable("127.0.0.1:7373", Some(home)).unwrap_err().contains("-rpc-addr"));
    }
}
