// Says in words what happened when a passkey was not used: the browser's own error is for developers.
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const problem = document.getElementById("passkey-problem");
  if (problem) {
    problem.hidden = false;
    problem.focus();
  }
});

// Where passkeys can be used, the button that asks for one is shown.
document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("passkey");
  if (button && window.PublicKeyCredential) {
    button.hidden = false;
  }
});
