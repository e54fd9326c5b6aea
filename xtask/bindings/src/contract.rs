//! The contract as it was read.

use std::path::Path;

use anyhow::{Context as _, Result};
use wit_bindgen_core::Files;
use wit_bindgen_core::WorldGenerator;
use wit_bindgen_core::wit_parser::{Package, PackageId, Resolve, WorldId, WorldItem};

/// A directory of WIT files.
pub(crate) struct Contract {
    resolve: Resolve,
    package: PackageId,
}

impl Contract {
    /// Reads the directory.
    ///
    /// # Errors
    /// When it has no valid package in it.
    pub(crate) fn read(wit: &Path) -> Result<Self> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve
            .push_path(wit)
            .with_context(|| format!("{} is no contract", wit.display()))?;
        Ok(Self { resolve, package })
    }

    /// The package, and what its names mean.
    pub(crate) fn package(&self) -> (&Resolve, &Package) {
        (&self.resolve, &self.resolve.packages[self.package])
    }

    fn world(&self, name: &str) -> Result<WorldId> {
        self.resolve.select_world(&[self.package], Some(name))
    }

    /// The interfaces that a world imports, with those that they use: their names with package and version, and alone.
    ///
    /// # Errors
    /// When there is no such world.
    pub(crate) fn imports(&self, world: &str) -> Result<Vec<(String, String)>> {
        let world = &self.resolve.worlds[self.world(world)?];
        let imports = world.imports.iter().filter_map(|(key, item)| {
            let WorldItem::Interface { id, .. } = item else {
                return None;
            };
            let name = self.resolve.interfaces[*id].name.clone()?;
            Some((self.resolve.name_world_key(key), name))
        });
        Ok(imports.collect())
    }

    /// What a generator makes of a world.
    ///
    /// # Errors
    /// When there is no such world, or the generator cannot make anything of it.
    pub(crate) fn generate(
        &self,
        world: &str,
        mut generator: Box<dyn WorldGenerator>,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let world = self.world(world)?;
        let mut resolve = self.resolve.clone();
        let mut files = Files::default();
        generator.generate(&mut resolve, world, &mut files)?;
        Ok(files
            .iter()
            .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
            .collect())
    }
}
