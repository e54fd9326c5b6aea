//! What a machine's IPVS holds, as `ipvsadm` tells it.

use anyhow::{Context as _, Result};

use crate::lab::Node;

impl Node {
    /// `ipvsadm ARGS`, and what it prints.
    ///
    /// # Errors
    /// With its standard error, when it fails.
    pub fn ipvsadm(&self, args: &[&str]) -> Result<String> {
        self.run("ipvsadm", args)
    }

    /// What IPVS holds: the lines of `ipvsadm -Sn`, sorted, each a command that would make a service (`-A`) or a
    /// destination (`-a`). As every destination's line names its service, the order tells nothing.
    ///
    /// # Errors
    /// When this kernel has no IPVS.
    pub fn ipvs_rules(&self) -> Result<Vec<String>> {
        let text = self.ipvsadm(&["-S", "-n"])?;
        let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        lines.sort();
        Ok(lines)
    }

    /// The destinations that have a threshold, sorted, each `ADDRESS UPPER LOWER`: `ipvsadm -Sn` does not tell them.
    ///
    /// # Errors
    /// When this kernel has no IPVS.
    pub fn ipvs_thresholds(&self) -> Result<Vec<String>> {
        let text = self.ipvsadm(&["-L", "-n", "--thresholds"])?;
        let mut found: Vec<String> = text
            .lines()
            .filter_map(|line| {
                let mut words = line.trim().strip_prefix("-> ")?.split_whitespace();
                let (address, upper, lower) = (words.next()?, words.next()?, words.next()?);
                (address.contains(':') && (upper, lower) != ("0", "0") && upper != "Uthreshold")
                    .then(|| format!("{address} {upper} {lower}"))
            })
            .collect();
        found.sort();
        Ok(found)
    }

    /// The connections in IPVS's table: the lines of `ipvsadm -Lnc`, each `PROTOCOL EXPIRE STATE CLIENT VIRTUAL
    /// DESTINATION`.
    ///
    /// # Errors
    /// When this kernel has no IPVS.
    pub fn ipvs_connections(&self) -> Result<Vec<Vec<String>>> {
        let text = self.ipvsadm(&["-L", "-n", "-c"])?;
        let (_, lines) = text
            .split_once("destination")
            .context("ipvsadm has printed no heading")?;
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        Ok(lines
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(words)
            .collect())
    }

    /// The state of IPVS's connection synchronisation here: the lines of `ipvsadm -L --daemon`.
    ///
    /// # Errors
    /// When this kernel has no IPVS.
    pub fn ipvs_sync(&self) -> Result<Vec<String>> {
        let text = self.ipvsadm(&["-L", "--daemon"])?;
        Ok(text.lines().map(|line| line.trim().to_owned()).collect())
    }
}
