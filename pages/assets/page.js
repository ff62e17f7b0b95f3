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
