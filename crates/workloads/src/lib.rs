//! Per workload: read from Graph, lay out in the vault, write back
