//! SQL state: tenants, resources, current items, delta links, runs, leases
