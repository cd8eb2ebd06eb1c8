/** The page of a resource: `/resources/TENANT/WORKLOAD/GRAPH-ID`. */
export function resourceLink({ tenant, id }: { tenant: string; id: string }) {
  const cut = id.indexOf('/')
  const params = { owner: tenant, workload: id.slice(0, cut), key: id.slice(cut + 1) }
  return { to: '/resources/$owner/$workload/$key' as const, params }
}
