import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  Link,
  lazyRouteComponent,
  Outlet,
  retainSearchParams,
} from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { onSignedOut } from '../api/request'
import { LinkPage } from '../pages/sign-in/link'
import { SignIn } from '../pages/sign-in/sign-in'
import { EmptyState, ErrorState } from '../ui/states'
import * as search from './search'
import { Shell } from './shell'

function NotFound() {
  const { t } = useTranslation()
  return (
    <EmptyState
      title={t('notFound.title')}
      text={t('notFound.text')}
      action={
        <Link to="/" className="text-accent underline">
          {t('nav.home')}
        </Link>
      }
    />
  )
}

function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <div className="p-8">
      <ErrorState error={error} onRetry={reset} />
    </div>
  )
}

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound })

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: Shell,
  validateSearch: search.shellSearch,
  // The chosen tenant stays while one goes from page to page.
  search: { middlewares: [retainSearchParams(['tenant'])] },
})

const page = () => shell

const tree = root.addChildren([
  createRoute({
    getParentRoute: () => root,
    path: '/sign-in',
    component: SignIn,
    validateSearch: search.signInSearch,
  }),
  createRoute({ getParentRoute: () => root, path: '/setup', component: () => <LinkPage first /> }),
  createRoute({
    getParentRoute: () => root,
    path: '/invitation',
    component: () => <LinkPage first={false} />,
  }),
  shell.addChildren([
    createRoute({
      getParentRoute: page,
      path: '/',
      component: lazyRouteComponent(() => import('../pages/home/home'), 'Home'),
    }),
    createRoute({
      getParentRoute: page,
      path: '/resources',
      component: lazyRouteComponent(() => import('../pages/resources/list'), 'Resources'),
      validateSearch: search.resourcesSearch,
    }),
    createRoute({
      getParentRoute: page,
      path: '/resources/$owner/$workload/$key',
      component: lazyRouteComponent(() => import('../pages/resources/resource'), 'ResourcePage'),
      validateSearch: search.resourceSearch,
    }),
    createRoute({
      getParentRoute: page,
      path: '/search',
      component: lazyRouteComponent(() => import('../pages/search/search'), 'SearchPage'),
      validateSearch: search.findSearch,
    }),
    createRoute({
      getParentRoute: page,
      path: '/jobs',
      component: lazyRouteComponent(() => import('../pages/jobs/list'), 'Jobs'),
      validateSearch: search.jobsSearch,
    }),
    createRoute({
      getParentRoute: page,
      path: '/jobs/$id',
      component: lazyRouteComponent(() => import('../pages/jobs/detail'), 'JobPage'),
    }),
    createRoute({
      getParentRoute: page,
      path: '/schedules',
      component: lazyRouteComponent(() => import('../pages/schedules/schedules'), 'Schedules'),
    }),
    createRoute({
      getParentRoute: page,
      path: '/vaults',
      component: lazyRouteComponent(() => import('../pages/vaults/vaults'), 'Vaults'),
    }),
    createRoute({
      getParentRoute: page,
      path: '/users',
      component: lazyRouteComponent(() => import('../pages/users/users'), 'Users'),
    }),
    createRoute({
      getParentRoute: page,
      path: '/audit',
      component: lazyRouteComponent(() => import('../pages/audit/audit'), 'Audit'),
      validateSearch: search.auditSearch,
    }),
    createRoute({
      getParentRoute: page,
      path: '/system',
      component: lazyRouteComponent(() => import('../pages/system/system'), 'System'),
    }),
    createRoute({
      getParentRoute: page,
      path: '/account',
      component: lazyRouteComponent(() => import('../pages/account/account'), 'Account'),
    }),
  ]),
])

/** Made when the page starts, not before: it reads the address. */
export function makeRouter() {
  const router = createRouter({
    routeTree: tree,
    parseSearch: search.parseSearch,
    stringifySearch: search.stringifySearch,
    defaultErrorComponent: Broken,
    defaultNotFoundComponent: NotFound,
  })
  onSignedOut(() => {
    const { pathname, href } = router.state.location
    if (pathname !== '/sign-in') void router.navigate({ to: '/sign-in', search: { to: href } })
  })
  return router
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}
