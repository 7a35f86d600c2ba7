//! The flags every client command has, and the connection they describe.

use clap::Args;
use tidings_client::Client;

use super::terminal::{Failure, Terminal};

/// Where the agent is, and its key.
#[derive(Debug, Args)]
pub(crate) struct RpcFlags {
    /// Address of the agent's RPC
    /// [default: $TIDINGS_RPC_ADDR, $SERF_RPC_ADDR or 127.0.0.1:7373]
    #[arg(long, value_name = "ADDR")]
    rpc_addr: Option<String>,

    /// Key of the agent's RPC
    /// [default: $TIDINGS_RPC_AUTH, $SERF_RPC_AUTH or none]
    #[arg(long, value_name = "KEY")]
    rpc_auth: Option<String>,
}

impl RpcFlags {
    /// The key, if there is one; flags beat the environment.
    pub(crate) fn key(&self, terminal: &Terminal<'_>) -> Option<String> {
        let key = self.rpc_auth.clone();
        let key = key.or_else(|| terminal.variable(&["TIDINGS_RPC_AUTH", "SERF_RPC_AUTH"]));
        key.filter(|key| !key.is_empty())
    }

    /// Connects to the agent; flags beat the environment.
    pub(crate) async fn connect(&self, terminal: &Terminal<'_>) -> Result<Client, Failure> {
        let addr = self.rpc_addr.clone();
        let addr = addr.or_else(|| terminal.variable(&["TIDINGS_RPC_ADDR", "SERF_RPC_ADDR"]));
        let addr = addr.unwrap_or_else(|| "127.0.0.1:7373".to_owned());
        Client::connect(&addr, self.key(terminal).as_deref())
            .await
            .map_err(|error| Failure::because("Error connecting to Serf agent", error))
    }
}
