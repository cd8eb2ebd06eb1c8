import frame from './frame'
import pages from './pages'
import people from './people'
import vaults from './vaults'
import words from './words'

export default { ...frame, ...words, ...pages, ...people, ...vaults }
