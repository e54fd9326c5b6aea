//! A network of one's own: a namespace that belongs to one thread, and to the children that it starts.

use std::net::Ipv4Addr;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use nix::sched::{CloneFlags, unshare};
use rtnetlink::packet_route::route::{RouteScope, RouteType};
use rtnetlink::{LinkUnspec, RouteMessageBuilder, new_connection};
use tokio::runtime::{Builder, Runtime};

use crate::exit::{self, Failed};

/// The loopback interface: the first of every namespace.
const LOOPBACK: u32 = 1;
/// The kernel's table of local addresses (`RT_TABLE_LOCAL`).
const LOCAL: u32 = 255;

/// Runs `work` on a thread of its own in a new network namespace, in which every address of `network` is the machine's
/// own. `work` gets a runtime whose sockets are there.
///
/// # Errors
/// There can be no such namespace, or what `work` returns.
pub(super) fn in_private_network(
    network: (Ipv4Addr, u8),
    work: impl FnOnce(&Runtime) -> Result<()> + Send,
) -> Result<()> {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|error| {
                let message = format!(
                    "there can be no private network: {error}; run it as root, or by: unshare --user --map-root-user \
                     evenkeel plugin run ..."
                );
                Failed::new(exit::FAILURE, message)
            })?;
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime
                .block_on(prepare(network))
                .context("cannot prepare the private network")?;
            work(&runtime)
        });
        inside
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the private network's thread has failed")))
    })
}

async fn prepare((address, length): (Ipv4Addr, u8)) -> Result<()> {
    let (connection, handle, _) = new_connection()?;
    let connection = tokio::spawn(connection);
    let up = LinkUnspec::new_with_index(LOOPBACK).up().build();
    handle.link().set(up).execute().await?;
    let local = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(address, length)
        .output_interface(LOOPBACK)
        .table_id(LOCAL)
        .kind(RouteType::Local)
        .scope(RouteScope::Host)
        .build();
    handle.route().add(local).execute().await?;
    connection.abort();
    Ok(())
}
