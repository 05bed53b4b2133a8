// Passkeys: asks the server for a challenge, the browser for an answer, and sends the form.
"use strict";
(() => {
  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  const asked = (options) => {
    const known = (one) => ({ ...one, id: bytes(one.id) });
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const name of ["excludeCredentials", "allowCredentials"]) {
      if (options[name]) options[name] = options[name].map(known);
    }
    return options;
  };

  const answered = (credential) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      response,
      clientExtensionResults: credential.getClientExtensionResults(),
    });
  };

  const run = async (form) => {
    const body = new URLSearchParams({ csrf: form.elements.csrf.value });
    const answer = await fetch(form.dataset.options, { method: "POST", body });
    if (!answer.ok) throw new Error(String(answer.status));
    const { handle, options } = await answer.json();
    const publicKey = asked(JSON.parse(options));
    const make = "make" in form.dataset;
    const credential = make
      ? await navigator.credentials.create({ publicKey })
      : await navigator.credentials.get({ publicKey });
    form.elements.handle.value = handle;
    form.elements.answer.value = answered(credential);
    form.submit();
  };

  // A passkey belongs to a host name; an address in numbers has none.
  if (!window.PublicKeyCredential || /^[0-9.]+$|:/.test(location.hostname)) return;
  for (const form of document.querySelectorAll("form.passkey")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const wrong = form.querySelector(".problem");
      wrong.hidden = true;
      run(form).catch(() => { wrong.hidden = false; });
    });
  }
})();
