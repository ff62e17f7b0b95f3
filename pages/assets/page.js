// Improves pages that work without it.

// A form is sent once, however often its button is pressed.
addEventListener('submit', event => {
  const form = event.target
  if (form.dataset.sent) { event.preventDefault(); return }
  form.dataset.sent = 'true'
  event.submitter?.setAttribute('aria-busy', 'true')
})
addEventListener('pageshow', () => { // a page that the browser kept, seen again by its button "back"
  for (const form of document.querySelectorAll('form[data-sent]')) {
    delete form.dataset.sent
    form.querySelector('[aria-busy]')?.removeAttribute('aria-busy')
  }
})

// Times are shown in the zone of who looks at them.
const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'short' })
for (const time of document.querySelectorAll('time[datetime]')) {
  const at = new Date(time.dateTime)
  if (!isNaN(at)) { time.title = time.textContent; time.textContent = format.format(at) }
}

// Whoever is told of a mistake is led to it.
document.querySelector('[aria-invalid=true]')?.focus()

// Secrets can be copied.
for (const button of document.querySelectorAll('[data-copy]')) {
  button.hidden = !navigator.clipboard
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim())
    button.textContent = button.dataset.copied
  })
}
for (const button of document.querySelectorAll('[data-print]')) {
  button.hidden = false
  button.addEventListener('click', () => print())
}

// A password can be looked at before it is sent.
for (const button of document.querySelectorAll('[data-reveal]')) {
  const input = document.getElementById(button.dataset.reveal)
  if (!input) continue
  button.hidden = false
  button.setAttribute('aria-controls', input.id)
  button.addEventListener('click', () => {
    input.type = input.type === 'password' ? 'text' : 'password'
    const said = button.textContent
    button.textContent = button.dataset.other
    button.dataset.other = said
  })
}

// How strong a new password is, said while it is typed: a guess, by its length and by what it is made of.
for (const box of document.querySelectorAll('[data-strength]')) {
  const input = document.getElementById(box.dataset.strength)
  const said = box.querySelector('[data-words]'), words = said.dataset.words.split('|')
  input?.addEventListener('input', () => {
    const text = [...input.value]
    const kinds = [[/\p{Ll}/u, 26], [/\p{Lu}/u, 26], [/\p{Nd}/u, 10], [/[^\p{L}\p{Nd}]/u, 30]]
    const pool = kinds.reduce((sum, [kind, size]) => sum + (kind.test(input.value) ? size : 0), 0)
    const worth = text.reduce((sum, c, i) => // of rows as in "aaa" and "123" little counts
      sum + (i > 0 && Math.abs(c.codePointAt(0) - text[i - 1].codePointAt(0)) < 2 ? 0.25 : 1), 0)
    const bits = worth * Math.log2(pool || 1)
    const level = bits < 35 ? 0 : bits < 55 ? 1 : bits < 75 ? 2 : 3
    box.hidden = text.length === 0
    box.querySelector('meter').value = level + 1
    said.textContent = words[level]
  })
}
