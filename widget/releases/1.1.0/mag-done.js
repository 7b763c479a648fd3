var{flow:e,...n}=JSON.parse(document.getElementById("mag-done").textContent);new BroadcastChannel("mag-login-"+e).postMessage({flow:e,...n});close();
