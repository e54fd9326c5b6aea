//! The commands of checks, run as VRRP's scripts are.

use async_trait::async_trait;
use evenkeel_runtime::{CommandEnd, Commands, Order};
use evenkeel_vrrp::CheckProgram;

/// Runs them on this machine.
#[derive(Debug)]
pub(crate) struct CheckCommands;

#[async_trait]
impl Commands for CheckCommands {
    async fn run(&self, order: Order) -> Result<CommandEnd, String> {
        let program = CheckProgram {
            command: order.command,
            user: order.user,
            environment: order.environment,
        };
        let ended = program.run(order.held).await?;
        Ok(CommandEnd {
            code: ended.code,
            output: ended.output,
        })
    }
}
