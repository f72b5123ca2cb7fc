//! Checkpoint stores (sled, object storage), manifests, chunks of state, epochs. It knows no graph.
