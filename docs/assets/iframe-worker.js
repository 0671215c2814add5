// Search without a server: browsers start no workers for pages that are opened from a folder (file://), so there the
// search script runs in a hidden frame instead. The theme's "offline" plugin asks for a file of this name.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const inside = (event) => {
        if (event.source !== this.frame.contentWindow) return;
        const passed = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(passed);
        if (this.onmessage) this.onmessage(passed);
      };
      window.addEventListener("message", inside);
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      const page = this.frame.contentDocument;
      page.open();
      page.write(`<!doctype html><script>
        var postMessage = (data) => parent.postMessage(data, "*");
        // scripts that the worker asks for are loaded one after another; it awaits the promise
        var importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done) => {
          const script = document.createElement("script");
          script.src = url;
          script.onload = done;
          document.body.appendChild(script);
        })), Promise.resolve());
      <\/script><body><script src="${new URL(url, location.href)}"><\/script>`);
      page.close();
    }
    postMessage(data) {
      const window = this.frame.contentWindow;
      const deliver = () => window.dispatchEvent(new window.MessageEvent("message", { data }));
      if (window.document.readyState === "complete") deliver();
      else window.addEventListener("load", deliver);
    }
    terminate() {
      this.frame.remove();
    }
  };
}
