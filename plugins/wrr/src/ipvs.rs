//! IPVS's order: a round has as many passes as the greatest share, and in each pass all servers follow
//! in order whose share is not below the pass's number, which falls from the greatest share to one.

/// One round: the servers by their place in `shares`, each as often as its share says.
pub(crate) fn passes(shares: &[u32]) -> Vec<usize> {
    let mut by_share: Vec<usize> = (0..shares.len()).collect();
    by_share.sort_by_key(|&server| std::cmp::Reverse(shares[server]));
    let mut waiting = by_share.into_iter().peekable();
    // Those of the present pass, in order. Later passes only add to them.
    let mut pass: Vec<usize> = Vec::new();
    let mut round = Vec::new();
    for number in (1..=shares.iter().copied().max().unwrap_or(0)).rev() {
        while let Some(server) = waiting.next_if(|&server| shares[server] >= number) {
            let place = pass.partition_point(|&other| other < server);
            pass.insert(place, server);
        }
        round.extend_from_slice(&pass);
    }
    round
}
