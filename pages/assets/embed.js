// Shows pages of the site inside other pages of the same site:
//   <a data-tollgate="register" href="/register/">Sign up</a>   opens the page in a dialog
//   <div data-tollgate="pricing"></div>                          is filled with the page
// Where this does not run, a link is a link. Nothing is framed: pages are fetched, and only from the host that the visitor is on.

const framed = window.top !== window.self // whoever frames the host page must not lead clicks to forms
const own = url => url.origin === location.origin

// fragment is the address of what a dialog, or a part of a page, shows of a page.
function fragment(url, kind) {
  const to = new URL(url)
  to.searchParams.set('fragment', kind)
  to.hash = ''
  return to
}

// ask fetches a fragment. What answers without the header is none of our pages: whoever asked goes there.
async function ask(url, options) {
  const answer = await fetch(url, { credentials: 'same-origin', headers: { Accept: 'text/html' }, ...options })
  if (!answer.headers.has('Tollgate-Page')) return { away: page(answer.url || url) }
  return { at: new URL(answer.url), text: options?.method === 'HEAD' ? '' : await answer.text() }
}

// page is the address of a page whose fragment has an address.
function page(url) {
  const to = new URL(url)
  to.searchParams.delete('fragment')
  return to
}

// sheets are our style sheets, as a shadow root takes them: what is said of the document is said of its host.
const sheets = new Map()
async function sheet(href) {
  if (!sheets.has(href)) {
    const made = new CSSStyleSheet({ baseURL: href })
    made.replaceSync(await (await fetch(href)).text())
    for (let i = made.cssRules.length - 1; i >= 0; i--) {
      const rule = made.cssRules[i]
      if (rule.selectorText === ':root' || rule.selectorText === 'html') rule.selectorText = ':host'
      if (rule.selectorText === 'body') made.deleteRule(i)
    }
    sheets.set(href, made)
  }
  return sheets.get(href)
}

// fill shows a fragment in an element of a shadow root.
async function fill(root, into, { text }) {
  const parsed = new DOMParser().parseFromString(text, 'text/html')
  const links = [...parsed.querySelectorAll('link[rel=stylesheet]')]
  root.adoptedStyleSheets = await Promise.all(links.map(link => sheet(new URL(link.getAttribute('href'), location).href)))
  links.forEach(link => link.remove())
  into.replaceChildren(...parsed.body.childNodes)
  return into.querySelector('.fragment')
}

let dialog, host, body, close, at

function make() {
  host = document.createElement('div')
  const root = host.attachShadow({ mode: 'open' })
  dialog = document.createElement('dialog')
  dialog.className = 'tollgate'
  close = document.createElement('button')
  body = document.createElement('div')
  close.type = 'button'
  close.className = 'close'
  close.textContent = '×'
  close.addEventListener('click', () => dialog.close())
  dialog.append(close, body)
  root.append(dialog)
  root.addEventListener('submit', send)
  root.addEventListener('click', follow)
  dialog.addEventListener('close', () => body.replaceChildren())
  document.body.append(host)
}

async function open(link) {
  const url = new URL(link.href)
  if (!url.searchParams.has('next')) url.searchParams.set('next', location.pathname + location.search)
  try {
    if (!host) make()
    await show(await ask(fragment(url, 'dialog')))
  } catch {
    location.assign(link.href)
  }
}

async function show(answer) {
  if (answer.away) { location.assign(answer.away); return }
  at = answer.at
  const shown = await fill(host.shadowRoot, body, answer)
  close.setAttribute('aria-label', shown.dataset.close)
  host.lang = shown.lang
  host.dir = shown.dir
  const title = body.querySelector('h1')
  if (title) dialog.setAttribute('aria-label', title.textContent)
  if (!dialog.open) dialog.showModal()
  const first = body.querySelector('[aria-invalid=true]') ?? body.querySelector('[autofocus]') ?? title
  if (first === title) title?.setAttribute('tabindex', '-1')
  first?.focus()
}

// send sends a form of the dialog, and shows what comes after it.
async function send(event) {
  const form = event.target
  if (form.method !== 'post') return
  event.preventDefault()
  if (form.dataset.sent) return
  form.dataset.sent = 'true'
  const button = event.submitter
  const to = new URL(button?.getAttribute('formaction') ?? form.getAttribute('action') ?? '', page(at))
  if (!own(to)) { form.submit(); return }
  const data = new FormData(form, button)
  button?.setAttribute('aria-busy', 'true')
  try {
    const sent = form.enctype === 'multipart/form-data' ? data : new URLSearchParams(data)
    await show(await ask(fragment(to, 'dialog'), { method: 'POST', body: sent }))
  } catch { // no network, say: the form can be sent again, and its key sees to it that nothing is done twice
    delete form.dataset.sent
    button?.removeAttribute('aria-busy')
  }
}

// follow follows a link of the dialog inside it when it leads to one of our pages.
async function follow(event) {
  const link = event.target.closest('a[href]')
  if (!link || !plain(event)) return
  const to = new URL(link.getAttribute('href'), page(at))
  link.href = to.href
  if (!own(to) || link.target) return
  event.preventDefault()
  try {
    const known = await ask(fragment(to, 'dialog'), { method: 'HEAD', redirect: 'manual' })
    await show(known.away ? { away: to } : await ask(fragment(to, 'dialog')))
  } catch {
    location.assign(to)
  }
}

const plain = event => event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey && !event.defaultPrevented

document.addEventListener('click', event => {
  const link = event.target.closest?.('a[data-tollgate][href]')
  if (!link || !plain(event) || !own(new URL(link.href))) return
  if (framed) { link.target = '_top'; return }
  event.preventDefault()
  open(link)
})

// Parts of a page are filled when they are there.
for (const part of document.querySelectorAll('[data-tollgate]:not(a)')) {
  const url = new URL(part.dataset.href ?? `/${part.dataset.tollgate}/`, location)
  if (framed || !own(url)) continue
  ask(fragment(url, '')).then(async answer => {
    if (answer.away) return
    const inside = document.createElement('div')
    const root = part.attachShadow({ mode: 'open' })
    root.append(inside)
    const shown = await fill(root, inside, answer)
    inside.lang = shown.lang
    for (const form of inside.querySelectorAll('form')) form.action = new URL(form.getAttribute('action') ?? '', page(answer.at))
    for (const link of inside.querySelectorAll('a[href]')) link.href = new URL(link.getAttribute('href'), page(answer.at))
  }).catch(() => {}) // what stands in it stays
}
