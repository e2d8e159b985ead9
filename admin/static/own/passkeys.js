// Passkeys: a form with data-passkey asks for options, lets the device sign, and sends what it signed.
"use strict";
(() => {
  const forms = document.querySelectorAll("form[data-passkey]");
  const isPossible = window.PublicKeyCredential && PublicKeyCredential.parseCreationOptionsFromJSON;
  for (const form of forms) {
    const message = form.querySelector("[data-passkey-message]");
    if (!isPossible) {
      message.textContent = form.dataset.impossible;
      form.querySelector("button").disabled = true;
      continue;
    }
    form.addEventListener("submit", async (event) => {
      if (form.elements.credential.value) return;
      event.preventDefault();
      message.textContent = form.dataset.waiting;
      try {
        const answer = await fetch(form.dataset.passkey, {
          method: "POST",
          headers: { "x-csrftoken": form.elements._csrf_token.value },
        });
        if (!answer.ok) throw new Error(answer.status === 409 ? await answer.text() : form.dataset.failed);
        const options = await answer.json();
        const credential = form.dataset.kind === "create"
          ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
          : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
        form.elements.credential.value = JSON.stringify(credential.toJSON());
        form.submit();
      } catch (error) {
        message.textContent = error instanceof DOMException ? form.dataset.failed : error.message;
      }
    });
  }
})();
