// Times as people say them, in the reader's zone and in UTC on hover; and no live message while somebody types or a field is changed.
(() => {
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  const ago = (seconds) => {
    const [size, unit] = units.find(([size]) => Math.abs(seconds) >= size) || [1, "s"];
    const count = Math.floor(Math.abs(seconds) / size);
    return seconds >= 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`;
  };

  const show = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      const seconds = (Date.now() - moment) / 1000;
      const words = Math.abs(seconds) < 86400 ? ago(seconds) : moment.toLocaleString();
      if (time.textContent !== words) time.textContent = words;
      time.title = `${moment.toLocaleString()} (${time.dateTime})`;
    }
  };

  document.addEventListener("htmx:sse:before:message", (event) => {
    const field = document.activeElement;
    if (field && field.matches("input, textarea, select") && event.target.contains(field)) event.preventDefault();
  });
  document.addEventListener("htmx:after:settle", show);
  setInterval(show, 1000);
  show();

  const faults = document.querySelector(".faults");
  if (faults) faults.focus();
})();
